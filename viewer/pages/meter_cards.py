"""Cards of the single meter: statistics of the signal, energy and power of the meter."""

from datetime import datetime

from energy_pipeline.settings import OperationSettings
from viewer.catalog import DeviceInfo
from viewer.components import html
from viewer.figures_of_meters import LoadHabits, MeterFigures, SignalFigures
from viewer.texts import Texts


def signal_cards(
    f: SignalFigures,
    row: dict,
    start: datetime,
    end: datetime,
    t: Texts,
    limits: OperationSettings,
    digits: int | None = None,
) -> list[html.Card]:
    """Return the cards of a signal's statistics; `digits` decimals where the numbers' own are too few."""
    unit = "" if row["unit"] == "1" else row["unit"]
    share = f.coverage(start, end)
    level = "ok" if share >= limits.coverage_good else "warn" if share >= limits.coverage_poor else "bad"
    if row["kind"] in {"counter", "net_counter", "interval"}:
        out = [html.Card(t("card.increase"), *t.split(t.with_unit(f.increase, "kWh")), t("card.increase_note"))]
        if row["kind"] != "interval":
            out.append(html.Card(t("card.register"), t.number(f.last, 1), unit, t("card.register_note")))
    else:
        out = [
            html.Card(t("card.mean"), *t.split(t.with_unit(f.mean, unit, digits)), t("card.mean_note")),
            html.Card(t("card.max"), *t.split(t.with_unit(f.maximum, unit, digits)), t("card.reading_note")),
            html.Card(t("card.min"), *t.split(t.with_unit(f.minimum, unit, digits)), t("card.reading_note")),
            html.Card(
                t("card.median"),
                *t.split(t.with_unit(f.median, unit, digits)),
                t("card.p95", value=t.with_unit(f.p95, unit, digits)),
            ),
        ]
    return [*out, html.Card(t("card.coverage"), t.percent(share), "", t(f"coverage.{level}"), level)]


def meter_cards(m: MeterFigures, habits: LoadHabits, device: DeviceInfo, t: Texts) -> list[html.Card]:
    """Return the cards of energy and power."""
    span = t("card.in_range") if m.partial else t("card.days", n=m.days)
    estimated = t("card.estimated", value=t.with_unit(m.estimated_kwh, "kWh")) if m.estimated_kwh else span
    return [
        html.Card(t("card.import"), *t.split(t.with_unit(m.import_kwh, "kWh")), estimated),
        html.Card(
            t("card.export"),
            *t.split(t.with_unit(m.export_kwh, "kWh")),
            t("card.net", value=t.with_unit(m.net_kwh, "kWh")),
        ),
        html.Card(t("card.peak"), *t.split(t.with_unit(m.peak_kw, "kW")), t.datetime(m.peak_ts, device.zone)),
        html.Card(
            t("card.hours"), t.number(m.hours_of_use_h, 0), "h", t("card.load_factor", value=t.number(m.load_factor, 2))
        ),
        html.Card(t("card.base"), *t.split(t.with_unit(m.base_load_kw, "kW")), t("card.base_note")),
        html.Card(t("card.night"), *t.split(t.with_unit(habits.night_load_kw, "kW")), t("card.night_note")),
        html.Card(t("card.pf"), t.number(m.power_factor, 3), "", t("card.pf_note")),
        html.Card(t("card.low_pf"), t.percent(habits.power_factor_low_share), "", t("card.low_pf_note")),
    ]
