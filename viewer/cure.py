"""How a fault of a library is cured: a function of it is replaced, where it is still there and not replaced yet."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

SOCKET = "bokeh_fastapi.handler:WSHandler"


def replace(path: str, cure: Callable[[Any], Any]) -> str:
    """Replace the function at `module:Class.name` or `module:name` by what `cure` makes of it.

    Returns the path, an empty text where nothing is replaced.
    """
    module, _, inside = path.partition(":")
    *holders, name = inside.split(".")
    try:
        holder: Any = import_module(module)
    except ModuleNotFoundError:
        return ""
    for part in holders:
        holder = getattr(holder, part, None)
    original = getattr(holder, name, None)
    if original is None or hasattr(original, "_cures"):
        return ""
    cured = cure(original)
    cured._cures = path
    setattr(holder, name, cured)
    return path
