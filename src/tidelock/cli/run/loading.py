"""`orders:app`, `orders:make_app`: an application by its name, with errors that say what of it is wrong."""

from __future__ import annotations

import importlib
import traceback
from typing import Any, cast

from tidelock.config import nearest
from tidelock.errors import UsageError
from tidelock.http.registration import registers_itself
from tidelock.web import AsgiApp


class NoApplicationError(UsageError):
    """`tidelock run` finds no ASGI application under the name it was given."""

    code = "TID-761"


def load(name: str, *, is_factory: bool = False) -> AsgiApp:
    """Import a module and return the application in it.

    Args:
        name: `module:attribute`, both may have dots.
        is_factory: the attribute is called, without arguments, and returns the application.

    Raises:
        NoApplicationError: no such module or attribute, the module fails, or what is there is no application.
    """
    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise NoApplicationError(f"{name!r} names no application", hint="write it like orders:app")
    found = _attribute(_module(module_name, name), module_name, path)
    if is_factory:
        found = found()
    if not callable(found):
        raise NoApplicationError(f"{path} is no application: it cannot be called", where=name)
    if hasattr(found, "wsgi_app"):
        raise NoApplicationError(
            f"{path} is a WSGI application",
            where=name,
            hint="serve it with gunicorn, and use http.register(app)",
        )
    if registers_itself(found):
        raise NoApplicationError(
            f"{path} registers itself",
            where=name,
            hint="remove register(...), which `tidelock run` does; or serve it with uvicorn",
        )
    return cast("AsgiApp", found)


def _attribute(module: Any, module_name: str, path: str) -> Any:
    """Return what a module has at a path; the error names the nearest attribute."""
    found, seen = module, f"{module_name}:"
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            near = nearest(part, tuple(one for one in dir(found) if not one.startswith("_")))
            hint = None if near is None else f"did you mean {seen}{near}?"
            raise NoApplicationError(
                f"{module_name} has no {path}", where=f"{module_name}:{path}", hint=hint
            ) from None
        seen += f"{part}."
    return found


def _module(module_name: str, name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        what = f"there is no module {error.name}"
        hint = "run it from the folder that has it" if error.name == module_name.partition(".")[0] else None
        raise NoApplicationError(what, where=name, hint=hint) from error
    except Exception as error:  # the user's code; the traceback is what helps
        traceback.print_exc()
        raise NoApplicationError(
            f"{module_name} fails while it is imported: {error!r}", where=name
        ) from error
