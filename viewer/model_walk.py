"""A quicker walk over the models of a document, which Bokeh 3.9 takes anew after each change of one.

Each step asks every property that could hold a model for its value; most were never set, and computing their default
(no model, the same for all of a class) takes most of the time of the walk. Here such defaults are known by class.
Nothing is changed where Bokeh is not built as this needs it. Next: `stack_fixes.py`, which applies this.
"""

from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from typing import Any

from bokeh.core.property.descriptors import PropertyDescriptor
from bokeh.model import Model
from bokeh.models import Div

NEEDED = ("visit_immediate_value_references", "visit_value_and_its_immediate_references")
KEPT = {"_property_values", "_unstable_default_values"}
Visitor = Callable[[Model], None]
PLAIN = "plain"  # no model, and the same for all of the class
STORED = "stored"  # made when it is first asked for, and kept in the model
ELSEWHERE = "elsewhere"  # only the property itself knows its value
_SIMPLE = (str, int, float, bool, type(None))


def quicken() -> str:
    """Replace the step of the walk and return its name, an empty text where Bokeh has none or another one."""
    util = import_module("bokeh.model.util")
    original, visit_value = (getattr(util, name, None) for name in NEEDED)
    if None in (original, visit_value) or hasattr(original, "__wrapped__") or KEPT - vars(Div()).keys():
        return ""

    @wraps(original)
    def visit(value: Any, visitor: Visitor) -> None:
        if not isinstance(value, Model):
            original(value, visitor)
            return
        own, made, themed = value._property_values, value._unstable_default_values, value.themed_values() or ()
        for name, default in _asked(type(value)):
            if default == ELSEWHERE:
                child = getattr(value, name)
            elif name in own:
                child = own[name]
            elif name in themed:
                child = getattr(value, name)
            elif default == PLAIN:
                continue
            else:
                child = made[name] if name in made else getattr(value, name)
            if child is None or (isinstance(child, list | dict) and not child):
                continue
            visit_value(child, visitor)

    util.visit_immediate_value_references = visit
    return "bokeh.model.util.visit_immediate_value_references"


@cache
def _asked(cls: type[Model]) -> list[tuple[str, str]]:
    """Return the properties of a class that could hold a model, and what is known of the default of each."""
    return [(name, _default(cls, name)) for name in cls.properties_with_refs()]


def _default(cls: type[Model], name: str) -> str:
    descriptor = cls.lookup(name)
    kind = type(descriptor)
    if kind._get is not PropertyDescriptor._get or kind.__get__ is not PropertyDescriptor.__get__:
        return ELSEWHERE
    if descriptor.has_unstable_default(cls):
        return STORED
    return PLAIN if isinstance(descriptor.class_default(cls, no_eval=True), _SIMPLE) else STORED
