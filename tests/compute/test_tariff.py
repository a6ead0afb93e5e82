"""Costs return the prices that were planted: windows in local time, days of 23 and 25 hours, the month's peak."""

from datetime import date, timedelta

import polars as pl
import pytest
from meter_rows import PHASES, context, days_from, energy, gauge, quarters_of
from pydantic import ValidationError

from energy_pipeline.compute.context import DeviceContext
from energy_pipeline.compute.meters import build_meter_daily, build_meter_peaks
from energy_pipeline.compute.tariff import build_meter_costs
from energy_pipeline.settings import Settings, Tariff, TariffWindow, load_settings

NIGHT = TariffWindow(start="00:00", end="06:00", price_per_kwh=0.1)
TARIFF = Tariff(price_per_kwh=0.3, window=(NIGHT,), feed_in_per_kwh=0.05, peak_per_kw=7.0)


def costs(ctx: DeviceContext, *frames: pl.DataFrame, month: str = "2024-01") -> tuple[pl.DataFrame, pl.DataFrame]:
    quarter = pl.concat(frames)
    daily = build_meter_daily(ctx, month, quarter, days_from(quarter))
    found = build_meter_costs(ctx, month, quarter, daily, build_meter_peaks(ctx, month, quarter))
    return found.filter(pl.col("kind") == "day"), found.filter(pl.col("kind") == "month")


@pytest.mark.parametrize(
    ("day", "night_h"), [(date(2024, 3, 31), 5), (date(2024, 1, 9), 6), (date(2024, 10, 27), 7)]
)
def test_the_night_has_five_six_or_seven_hours_at_its_price(day: date, night_h: int) -> None:
    times = quarters_of(day)
    days, month = costs(
        context("com_ap", tariff=TARIFF), gauge("com_ap", times, [4.0] * len(times)), month=day.strftime("%Y-%m")
    )
    row = days.row(0, named=True)
    assert (row["day"], row["days"], row["currency"]) == (day, 1, "EUR")
    assert row["import_cost"] == pytest.approx(4 * (night_h * 0.1 + 18 * 0.3))
    assert row["peak_cost"] is None
    total = month.row(0, named=True)
    assert (total["day"], total["days"]) == (day.replace(day=1), 1)
    assert total["peak_cost"] == pytest.approx(28)
    assert total["cost"] == pytest.approx(row["import_cost"] + 28)
    assert total["peak_share"] == pytest.approx(28 / (row["import_cost"] + 28))
    assert total["peak_ts"] == times[0]


def test_weekdays_decide_and_the_first_window_that_fits_counts() -> None:
    week = TariffWindow(start="08:00", end="20:00", weekdays=(1, 2, 3, 4, 5), price_per_kwh=0.5)
    noon = TariffWindow(start="12:00", end="13:00", price_per_kwh=1.0)
    days = [date(2024, 1, 5), date(2024, 1, 6)]  # a Friday and a Saturday
    times = [t for d in days for t in quarters_of(d)]
    frame = gauge("com_ap", times, [1.0] * 192)

    def cost(*windows: TariffWindow) -> list[float]:
        return costs(context("com_ap", tariff=Tariff(price_per_kwh=0.2, window=windows)), frame)[0][
            "import_cost"
        ].to_list()

    assert cost(noon, week) == pytest.approx([1 + 11 * 0.5 + 12 * 0.2, 1 + 23 * 0.2])
    assert cost(week, noon) == pytest.approx([12 * 0.5 + 12 * 0.2, 1 + 23 * 0.2])


def test_energy_fed_back_is_revenue_and_lowers_the_cost() -> None:
    times = quarters_of(date(2024, 1, 9))
    frame = gauge("com_ap", times, [-10.0 if 48 <= k < 56 else 0.0 for k in range(96)])
    days, month = costs(context("com_ap", tariff=TARIFF), frame)
    assert (days["export_kwh"][0], days["export_revenue"][0]) == (pytest.approx(20), pytest.approx(1.0))
    assert days["cost"][0] == month["cost"][0] == pytest.approx(-1.0)
    unpaid = TARIFF.model_copy(update={"feed_in_per_kwh": None})
    days, _ = costs(context("com_ap", tariff=unpaid), frame)
    assert (days["export_revenue"][0], days["cost"][0]) == (None, 0)


def test_the_register_of_the_day_is_priced_and_its_energy_is_that_of_meter_daily() -> None:
    times = quarters_of(date(2024, 1, 9))
    frames = gauge("com_ap", times, [8.0] * 96), energy("pos_ae", times, [0.5 if k < 24 else 1.0 for k in range(96)])
    days, month = costs(context("com_ap", "pos_ae", tariff=TARIFF), *frames)
    assert days["import_kwh"].to_list() == [12 + 72]
    assert days["import_cost"][0] == pytest.approx(12 * 0.1 + 72 * 0.3)
    assert month["peak_kw"][0] == 8.0


def test_phases_that_begin_apart_lose_no_energy() -> None:
    first, second = (quarters_of(date(2024, 1, d)) for d in (9, 10))
    frames = [
        energy(PHASES[0], first + second, [0.1] * 192), energy(PHASES[1], first + second, [0.1] * 192),
        energy(PHASES[2], first[48:], [0.2] * 48),
    ]
    ctx = context(*PHASES, tariff=Tariff(price_per_kwh=1.0))
    days, _ = costs(ctx, *frames)
    quarter = pl.concat(frames)
    daily = build_meter_daily(ctx, "2024-01", quarter, days_from(quarter)).drop_nulls("import_kwh")
    assert days["day"].to_list() == daily["day"].to_list() == [date(2024, 1, 9)]
    assert days["import_kwh"].to_list() == pytest.approx(daily["import_kwh"].to_list())
    assert days["import_cost"].to_list() == pytest.approx([19.2 + 9.6])


def test_without_a_tariff_there_is_no_row_and_without_a_peak_price_no_peak_cost() -> None:
    frame = gauge("com_ap", quarters_of(date(2024, 1, 9)), [4.0] * 96)
    days, month = costs(context("com_ap"), frame)
    assert days.is_empty()
    assert month.is_empty()
    _, month = costs(context("com_ap", tariff=Tariff(price_per_kwh=0.3)), frame)
    assert (month["peak_kw"][0], month["peak_cost"][0], month["peak_share"][0]) == (4.0, None, None)


def test_a_month_sums_its_days() -> None:
    times = [t for k in range(5) for t in quarters_of(date(2024, 1, 8) + timedelta(days=k))]
    days, month = costs(context("com_ap", tariff=TARIFF), gauge("com_ap", times, [float(k % 7) for k in range(480)]))
    assert month["days"][0] == days.height == 5
    assert month["import_cost"][0] == pytest.approx(days["import_cost"].sum())
    assert month["import_kwh"][0] == pytest.approx(days["import_kwh"].sum())


@pytest.mark.parametrize("window", [
    {"start": "22:00", "end": "06:00"}, {"start": "06:05"}, {"end": "24:15"}, {"weekdays": ()}, {"weekdays": (0,)},
])  # fmt: skip
def test_a_window_that_means_nothing_is_refused(window: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TariffWindow(price_per_kwh=0.1, **window)


def test_a_tariff_stands_in_the_settings_file_for_the_meters_it_names(tmp_path) -> None:
    path = tmp_path / "energy.toml"
    path.write_text(
        """[tariff]
price_per_kwh = 0.31
feed_in_per_kwh = 0.08
peak_per_kw = 9.5
meters = ["m1"]
[[tariff.window]]
start = "22:00"
price_per_kwh = 0.22
""", encoding="utf-8",
    )  # fmt: skip
    found = load_settings(path, environ={})
    assert found.tariff_of("m2") is None
    tariff = found.tariff_of("m1")
    assert tariff is not None
    assert tariff.window[0].minutes == (22 * 60, 24 * 60)
    assert found.derived_digest("m1") != Settings().derived_digest("m1")
    assert found.derived_digest("m2") == Settings().derived_digest("m2")
