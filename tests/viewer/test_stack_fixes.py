"""Every cure finds what it changes in the libraries as they are locked; where that is gone, nothing is changed."""

from types import SimpleNamespace

import pytest

from viewer import cure, stack_fixes


def test_every_cure_is_needed_and_applied_once() -> None:
    applied = stack_fixes.apply_once()
    assert len(applied) == 9, applied
    assert stack_fixes.apply_once() == applied
    assert {path.partition(".")[0] for path in applied} == {"bokeh", "bokeh_fastapi", "panel", "panel_material_ui"}


def test_a_function_is_replaced_once_and_knows_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(Thing=type("Thing", (), {"size": lambda _self: 2}))
    monkeypatch.setattr(cure, "import_module", lambda _name: module)
    twice = lambda original: lambda self: 2 * original(self)  # noqa: E731 - what `replace` takes
    assert cure.replace("library:Thing.size", twice) == "library:Thing.size"
    assert cure.replace("library:Thing.size", twice) == ""
    assert module.Thing().size() == 4


@pytest.mark.parametrize("path", ["no_such_library:Thing.size", "json:NoThing.size", "json:no_size"])
def test_what_is_gone_is_left_alone(path: str) -> None:
    assert cure.replace(path, lambda _original: pytest.fail("nothing to cure")) == ""
