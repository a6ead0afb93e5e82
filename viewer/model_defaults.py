"""Defaults of Bokeh's models, known by class: two of Bokeh's inner ways become quicker and give the same.

Bokeh 3.9 computes the default of a property anew each time it is asked for, and asks for hundreds per picture: while a
model is made, when it is written for the browser, and in the walk over all models of a document that follows each
change of one. Most defaults are a plain value, the same for all models of a class: these are computed once.
Nothing is changed where Bokeh is not built as this needs it. Next: `stack_fixes.py`, which applies this.
"""

from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from typing import Any

from bokeh.core.has_props import HasProps
from bokeh.core.property.descriptors import PropertyDescriptor
from bokeh.model import Model
from bokeh.models import Div

NEEDED = ("visit_immediate_value_references", "visit_value_and_its_immediate_references")
KEPT = {"_property_values", "_unstable_default_values"}
Visitor = Callable[[Model], None]
PLAIN = "plain"  # a plain value, the same for all of the class
STORED = "stored"  # made when it is first asked for, and kept in the model
ELSEWHERE = "elsewhere"  # only the property itself knows its value
_SIMPLE = (str, int, float, bool, type(None))
_OTHER = object()


def remember_defaults() -> str:
    """Compute plain defaults once per class; return the name of what is replaced, an empty text where nothing is."""
    original = getattr(PropertyDescriptor, "_get_default", None)
    if original is None or hasattr(original, "__wrapped__") or KEPT - vars(Div()).keys():
        return ""

    @wraps(original)
    def get_default(self: PropertyDescriptor, obj: HasProps) -> Any:
        themed = obj.themed_values()
        if not themed or self.name not in themed:
            default = _plain_default(type(obj), self)
            if default is not _OTHER:
                return default
        return original(self, obj)

    PropertyDescriptor._get_default = get_default
    return "bokeh.core.property.descriptors.PropertyDescriptor._get_default"


def quicken_walk() -> str:
    """Ask only for what may be a model in the walk; return the name of what is replaced, else an empty text."""
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
    return [(name, _default(cls, cls.lookup(name))) for name in cls.properties_with_refs()]


def _default(cls: type[Model], descriptor: PropertyDescriptor) -> str:
    kind = type(descriptor)
    if kind._get is not PropertyDescriptor._get or kind.__get__ is not PropertyDescriptor.__get__:
        return ELSEWHERE
    return STORED if _plain_default(cls, descriptor) is _OTHER else PLAIN


@cache
def _plain_default(cls: type[HasProps], descriptor: PropertyDescriptor) -> Any:
    """Return the default of a property without a theme, `_OTHER` where it is made for each model or may be changed."""
    if descriptor.has_unstable_default(cls):
        return _OTHER
    default = descriptor.class_default(cls, no_eval=True)
    return default if isinstance(default, _SIMPLE) else _OTHER
