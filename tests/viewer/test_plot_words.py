"""What a plot says by itself: numbers of a hover as everywhere on the page, tools and dates in the page's language."""

from datetime import date

import numpy as np
import pytest
from bokeh.models import HoverTool

from tests.viewer.lake_factory import Plan
from viewer.components.exports import name_exports
from viewer.components.figures import bokeh_pane, hover_date, number_hover, time_figure
from viewer.components.heatmap import HeatMap
from viewer.pages.packpulse.data import load_grid
from viewer.store import Store
from viewer.surface import surface_figure
from viewer.texts import LANGUAGES, Texts


@pytest.mark.browser
def test_a_hover_writes_numbers_as_the_page_does(context: object) -> None:
    page = context.new_page()
    for lang in LANGUAGES:
        texts = Texts(lang)
        for value, digits in ((-0.2, 1), (1234.5, 1), (-1234.56, 2), (0.0, 1), (-0.04, 1), (None, 1)):
            code = number_hover(texts, digits).code
            given = {"value": value, "locale": texts.locale, "digits": digits, "code": code}
            shown = page.evaluate(
                "(g) => new Function('value', 'locale', 'digits', g.code)(g.value, g.locale, g.digits)", given
            )
            assert shown == texts.number(value, digits), (lang, value)
    page.close()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_tool_of_a_plot_is_named_in_the_language_of_the_page(lang: str) -> None:
    texts = Texts(lang)
    values = np.ones((2, 3))
    names, packs = ["P1C1", "P1C2"], [1, 1]
    heat = HeatMap(
        values, names, packs, date(2024, 1, 1), texts, unit="V", limits=(0, 1), digits=1, on_tap=lambda *_: None
    ).figure
    for fig in (time_figure(texts, height=200, y_label="x"), heat):
        name_exports([bokeh_pane(fig)], "title", "device", texts)
        words = {type(tool).__name__: tool.description for tool in fig.toolbar.tools}
        assert None not in words.values(), words
        assert words["ResetTool"] == {"de": "Ausgangsansicht", "en": "Back to the whole"}[lang]
    assert any(isinstance(tool, HoverTool) for tool in heat.toolbar.tools)


@pytest.mark.parametrize(("lang", "day", "month"), [("de", "%d.%m.%y", "%m/%y"), ("en", "%d %b %y", "%b %y")])
def test_the_surface_writes_days_as_the_plots_do(store: Store, plan: Plan, lang: str, day: str, month: str) -> None:
    texts = Texts(lang)
    surface = surface_figure(load_grid(store, plan.bess), "sat", texts, dark=False)
    assert [form.value for form in surface.layout.scene.xaxis.tickformatstops] == [day, month]
    assert hover_date(texts, clock=False) in surface.data[0].hovertemplate
