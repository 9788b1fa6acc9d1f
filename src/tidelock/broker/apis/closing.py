"""The one answer that has no bytes: the connection must end."""

from __future__ import annotations

from tidelock.errors import RemoteProtocolError


class CloseConnection(RemoteProtocolError):
    """This connection cannot go on: an API or version nobody serves, or a failed acks=0 produce."""

    code = "TID-252"
