"""What both engines know about connections alike: how long one may idle, what an end proves, what refuses.

Pure but for one system call that asks the kernel what was acknowledged. The asyncio engine (`connection`,
`pool`) and the blocking one (`blocking`) import it; it imports neither.

Source: RFC 9112, 9.3.1 (retrying requests); Linux tcp(7), `TCP_INFO`.
"""

from __future__ import annotations

import errno
import socket
import struct

from tidelock.http.exchange import Failure, Reason, Response

IDLE_LIMIT = 4.0
"""Seconds; uvicorn and Node.js end an idle connection after 5 (nginx 75, Tomcat 20)."""

LOOK_AFTER = 1.0
"""Seconds of idling from which a connection is looked at before use; a look costs a system call."""

TCPI_BYTES_ACKED = 120
"""Offset of the 64-bit counter in Linux's `struct tcp_info`; it also counts the SYN."""

Address = tuple[str, int, bool]
"""Host, port, whether TLS is spoken; a host that begins with a slash is the path of a Unix domain socket."""

Outcome = Response | Failure


def idle_limit(said: float | None) -> float:
    """Seconds that a connection may idle: a second less than the server says, or a cautious default."""
    return IDLE_LIMIT if said is None else max(said - 1.0, 0.0)


def keep_alive(response: Response) -> float | None:
    """Return for how many seconds the server says it keeps an idle connection, if it says so."""
    for name, value in response.raw_headers:
        if name == b"keep-alive":  # few servers say so
            for part in value.split(b","):
                key, _, number = part.strip().partition(b"=")
                if key.lower() == b"timeout" and number.isdigit():
                    return float(number[:9])
    return None


def bytes_acknowledged(descriptor: int) -> int | None:
    """Return how many bytes the other side's kernel has acknowledged on a TCP socket; None where unknown."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None or descriptor < 0:
        return None
    sock = socket.socket(fileno=descriptor)
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, option, 256)
    except OSError:
        return None
    finally:
        sock.detach()
    if len(info) < TCPI_BYTES_ACKED + 8:
        return None  # a kernel before 4.1
    return int(struct.unpack_from("@Q", info, TCPI_BYTES_ACKED)[0])


def is_refused(error: BaseException) -> bool:
    """Whether every address of the host refused; asyncio puts several errors into one text."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_refused(each) for each in error.exceptions)
    codes = (errno.ECONNREFUSED, errno.ENOENT)  # the second: no such Unix domain socket
    return getattr(error, "errno", None) in codes or f"[Errno {errno.ECONNREFUSED}]" in str(error)


def connect_failure(error: BaseException, at: float) -> Failure:
    """Say why no connection could be made."""
    if is_refused(error):
        return Failure(Reason.REFUSED, "nobody listens there (connection refused)", False, at)
    shown = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error
    return Failure(Reason.UNREACHABLE, f"no connection: {shown}", False, at)


def no_connection_in_time(patience: float, limit: float, at: float) -> Failure:
    """Say that no connection came within `patience`, which was the deadline's rest or `limit`."""
    reason = Reason.TIMEOUT if patience < limit else Reason.UNREACHABLE
    return Failure(reason, f"no connection within {patience:.3g} s", False, at)
