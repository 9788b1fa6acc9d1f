"""The key that says whether a null field counts as its schema's default. Imports tidelock.config."""

from __future__ import annotations

from tidelock.config import Importance, Settings, key


class NullSettings(Settings):
    """The key replace.null.with.default."""

    replace_null_with_default: bool = key(
        default=True,
        importance=Importance.MEDIUM,
        doc="Whether a null field that has a default is taken as that default.",
    )
