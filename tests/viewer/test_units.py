"""Every number of a table stands beside its unit, in words of the page's language."""

import polars as pl
import pytest
from bokeh.document import Document

from energy_pipeline.settings import Settings
from tests.viewer.lake_factory import Plan
from viewer.pages.bess_energy import EnergyParts
from viewer.pages.compare import Compare
from viewer.pages.packpulse.data import load_fits
from viewer.pages.packpulse.degradation_parts import CellTable
from viewer.selection import Selection
from viewer.session import Session
from viewer.store import Store
from viewer.texts import Texts


def session_of(settings: Settings, lang: str, **picked: str) -> Session:
    """Return a session without a browser."""
    return Session(Store(settings), settings, Selection(lang=lang, **picked), Document())


@pytest.mark.parametrize(("lang", "mean"), [("de", "Mittel [kW]"), ("en", "Mean [kW]")])
def test_the_statistics_of_two_meters_have_the_unit_of_their_signal(
    settings: Settings, plan: Plan, lang: str, mean: str
) -> None:
    page = Compare(session_of(settings, lang, device="m1", device2="m2", signal="power"))
    page.prepare()
    pair, signals = page.pair(), page._common["power"]
    shown = page._render_figures(page._load_figures(pair, signals, plan.start, plan.end), pair)[0].object
    assert f"<td>{mean}</td>" in shown
    assert shown.count("[kW]") >= 5


@pytest.mark.parametrize(("lang", "unit"), [("de", "[mV/Jahr]"), ("en", "[mV/year]")])
def test_what_the_data_of_a_cell_could_show_and_its_naive_number_have_their_unit(
    settings: Settings, plan: Plan, lang: str, unit: str
) -> None:
    session = session_of(settings, lang)
    fits = load_fits(session.store, plan.bess).filter(
        (pl.col("level") == "cell") & (pl.col("quantity") == "sat_offset_mv")
    )
    ranked = fits.with_columns(pl.lit(0.0).alias("offset_charge_end_mv"), pl.lit(1).alias("weakness_rank"))
    titles = CellTable(session).render(ranked)[0].titles
    assert titles["naive_per_year"].endswith(unit)
    assert titles["minimum_detectable_slope"].endswith(unit)


@pytest.mark.parametrize(("lang", "unit"), [("de", "kWh/(Tag·K)"), ("en", "kWh/(day·K)")])
def test_the_units_of_the_auxiliaries_are_words_of_the_page(
    settings: Settings, plan: Plan, lang: str, unit: str
) -> None:
    session = session_of(settings, lang)
    device = next(d for d in session.catalog.devices() if d.name == plan.bess)
    parts = EnergyParts(session, device, plan.start, plan.end)
    shown = " ".join(str(part.object) for part in parts.auxiliary(parts.auxiliaries()) if hasattr(part, "object"))
    assert f"<td>{unit}</td>" in shown
    assert "/day/" not in shown


@pytest.mark.parametrize(("lang", "today"), [("de", "Heute"), ("en", "Today")])
def test_the_last_days_of_an_archive_are_not_called_today(lang: str, today: str) -> None:
    assert Texts(lang)("explained.today_value") not in {today, today.lower()}
