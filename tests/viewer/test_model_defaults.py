"""What the viewer knows of Bokeh's models by class is what Bokeh itself finds, on every page and for every property."""

import gc

import pytest
from bokeh.core.property.descriptors import AliasPropertyDescriptor, PropertyDescriptor, UnsetValueError
from bokeh.document import Document
from bokeh.model import Model
from bokeh.model import util as bokeh_util
from bokeh.models import Column, ColumnDataSource, CustomJS, Div, GlyphRenderer
from bokeh.plotting import figure
from bokeh.themes import Theme

from energy_pipeline.settings import Settings
from tests.viewer.live_sessions import LiveServer
from viewer.stack_fixes import apply_once

PAGES = ("?page=meter&device=m1", "?page=bess", "?page=packpulse&tab=heat")


def ways(root: Model, monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], set[str]]:
    """Ids of the models below `root`, found by the quick walk and then by Bokeh's own."""
    apply_once()
    quick = bokeh_util.visit_immediate_value_references
    found = {model.id for model in root.references()}
    with monkeypatch.context() as patch:
        patch.setattr(bokeh_util, "visit_immediate_value_references", quick.__wrapped__)
        return found, {model.id for model in root.references()}


@pytest.mark.parametrize("theme", [{}, {"visible": False, "name": "of the theme"}])
def test_every_property_of_every_kind_of_model_has_the_same_default_with_and_without_a_theme(theme: dict) -> None:
    apply_once()
    quick, compared = PropertyDescriptor._get_default, 0
    for cls in set(Model.model_class_reverse_map.values()):
        try:
            model = cls()
        except (TypeError, ValueError, AttributeError):  # abstract, or not to be made without arguments
            continue
        model.apply_theme({name: value for name, value in theme.items() if name in cls.properties()})
        for name in cls.properties():
            descriptor = cls.lookup(name)
            if name in model._property_values or isinstance(descriptor, AliasPropertyDescriptor):
                continue
            own, known = (_asked(way, descriptor, model) for way in (quick.__wrapped__, quick))
            same = own is known or repr(own) == repr(known)
            assert same, (cls, name, own, known)
            compared += 1
    assert compared > 5_000


def _asked(way: object, descriptor: PropertyDescriptor, model: Model) -> object:
    try:
        return way(descriptor, model)
    except UnsetValueError as error:
        return str(error)


def test_every_page_has_the_same_models_by_both_ways(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with LiveServer(settings, lifetime_s=600) as server:
        for page in PAGES:
            server.visit(page)
        pages = [o for o in gc.get_objects() if type(o) is Document and o.roots]
        assert len(pages) >= len(PAGES)
        for doc in pages:
            for root in doc.roots:
                quick, own = ways(root, monkeypatch)
                assert quick == own


def test_a_model_is_found_wherever_it_can_hide(monkeypatch: pytest.MonkeyPatch) -> None:
    source = ColumnDataSource({"x": [1, 2], "y": [3, 4]})
    plot = figure()  # axes, tools and ranges are defaults that are models
    plot.line("x", "y", source=source)
    told = CustomJS(args={"deep": [{"in": Div(text="an argument")}]})
    plot.js_on_change("name", told)
    plot.tags = [{"tag": Div(text="a tag")}]
    page = Column(children=[plot])
    quick, own = ways(page, monkeypatch)
    assert quick == own
    assert len(quick) > 30
    texts = {model.text for model in page.references() if isinstance(model, Div)}
    assert texts == {"an argument", "a tag"}


def test_what_a_theme_gives_is_found_and_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    doc, shown = Document(), Column()
    doc.add_root(shown)
    given = Div(text="of the theme")
    doc.theme = Theme(json={"attrs": {"Column": {"children": [given]}, "Div": {"text": "plain"}}})
    assert ways(shown, monkeypatch) == ({shown.id, given.id}, {shown.id, given.id})
    doc.theme = Theme(json={})
    assert ways(shown, monkeypatch) == ({shown.id}, {shown.id})


def test_a_model_that_is_exchanged_is_found_and_the_old_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    plot = figure()
    line = plot.line([1, 2], [3, 4])
    old = line.data_source
    line.data_source = ColumnDataSource({"x": [], "y": []})
    quick, own = ways(plot, monkeypatch)
    assert quick == own
    assert old.id not in quick
    assert line.data_source.id in quick
    assert isinstance(line, GlyphRenderer)
