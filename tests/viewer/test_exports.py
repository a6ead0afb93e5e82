"""What a picture shows can be taken along: its values as CSV, itself as PNG, the heat map as a table."""

import csv
import struct
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from tests.viewer.conftest import Tab
from tests.viewer.lake_factory import Plan
from viewer.components.exports import file_name
from viewer.pages.packpulse.data import grid_table, load_grid
from viewer.pages.packpulse.heat_table import heat_download
from viewer.pages.packpulse.pack_trends import smooth_line
from viewer.store import Store
from viewer.texts import Texts


@pytest.mark.browser
def test_the_values_and_the_picture_of_a_plot_are_saved_under_the_name_of_its_panel(
    tab: Tab, store: Store, plan: Plan
) -> None:
    tab.open(f"?page=packpulse&device={plan.bess}&tab=heat&cell=P2C3&lang=en")
    stored = grid_table(load_grid(store, plan.bess), "offset")
    own = stored.filter((stored["pack"] == 2) & (stored["cell"] == 3) & stored["qualified"]).drop_nulls("sat_offset_mv")
    plot = tab.page.locator(".bk-Figure").nth(1)
    plot.hover()
    button = plot.locator("[title='Values shown, as CSV']")
    assert inked_share(button) > 0.1
    with tab.page.expect_download() as waiting:
        button.click()
    assert waiting.value.suggested_filename == f"{plan.bess}_P2C3_distance_to_the_system.csv"
    rows = list(csv.DictReader(StringIO(Path(waiting.value.path()).read_text(encoding="utf-8-sig"))))
    points = [r for r in rows if r["series"] == "qualified days"]
    assert [r["x"][:10] for r in points] == [d.isoformat() for d in own["day"]]
    assert [float(r["y"]) for r in points] == own["sat_offset_mv"].to_list()
    with tab.page.expect_download() as waiting:
        plot.locator("[title='Save the picture (PNG)']").click()
    png = Path(waiting.value.path()).read_bytes()
    assert waiting.value.suggested_filename == f"{plan.bess}_P2C3_distance_to_the_system.png"
    assert struct.unpack(">II", png[16:24])[0] > 900  # wide as on the screen
    assert opaque_share(tab, png) > 0.98  # its edge is half a pixel


def inked_share(button: object) -> float:
    """Ask the browser which share of a tool's icon has any colour."""
    return button.evaluate(
        """async (button) => {
          const drawn = [...button.querySelectorAll('*'), ...(button.shadowRoot?.querySelectorAll('*') ?? []), button]
          const address = drawn.map((e) => getComputedStyle(e).backgroundImage).find((text) => text.startsWith('url'))
          const image = new Image(48, 48)
          image.src = address.slice(5, -2)
          await image.decode()
          const pen = new OffscreenCanvas(48, 48).getContext('2d')
          pen.drawImage(image, 0, 0, 48, 48)
          const data = pen.getImageData(0, 0, 48, 48).data
          let inked = 0
          for (let i = 3; i < data.length; i += 4) { inked += data[i] > 0 }
          return 4 * inked / data.length
        }"""
    )


def opaque_share(tab: Tab, png: bytes) -> float:
    """Ask the browser for the share of a picture's pixels that let no background through."""
    return tab.page.evaluate(
        """async (bytes) => {
          const image = await createImageBitmap(new Blob([new Uint8Array(bytes)], {type: 'image/png'}))
          const pen = new OffscreenCanvas(image.width, image.height).getContext('2d')
          pen.drawImage(image, 0, 0)
          const data = pen.getImageData(0, 0, image.width, image.height).data
          let opaque = 0
          for (let i = 3; i < data.length; i += 4) { opaque += data[i] === 255 }
          return 4 * opaque / data.length
        }""",
        list(png),
    )


def test_the_table_of_the_heat_map_has_a_row_per_cell_and_day_and_null_where_nothing_is(
    store: Store, plan: Plan
) -> None:
    grid = load_grid(store, plan.bess)
    table = grid_table(grid, "sat")
    assert table.height == grid.sat.size
    assert table["sat_voltage_v"].null_count() == int(np.isnan(grid.sat).sum()) > 0
    row = table.row(grid.sat.shape[1] + 5, named=True)
    assert (row["pack"], row["cell"], row["day"]) == (*grid.places[1], grid.days[5])
    assert not table["sat_voltage_v"].is_nan().any()


def test_the_heat_map_is_taken_along_with_the_words_of_the_page(store: Store, plan: Plan) -> None:
    grid = load_grid(store, plan.bess)
    german, english = (heat_download(grid, "offset", Texts(lang)) for lang in ("de", "en"))
    assert german.columns == ["Pack", "Zelle", "Tag", "Abstand zum System [mV]", "gültig", "Grund"]
    assert english.columns[1:4] == ["Cell", "Day", "Distance to the system [mV]"]
    reasons = grid_table(grid, "offset")["reason"]
    assert german["Grund"].to_list() == [None if r is None else Texts("de").code("day_reason", r) for r in reasons]
    assert german["Grund"].drop_nulls().len() > 0


def test_the_smoothed_line_does_not_run_through_a_step() -> None:
    x = np.arange(20.0)
    values = np.where(x < 10, 3.44, 3.41)
    line = smooth_line(x, values, [10.0])
    assert set(line["y"][np.isfinite(line["y"])]) == {3.44, 3.41}
    place = int(np.flatnonzero(np.isnan(line["y"]))[0])
    assert (line["y"][place - 1], line["y"][place + 1]) == (3.44, 3.41)


def test_names_of_files_hold_letters_and_digits_only() -> None:
    assert file_name("P1C1 · Rohspannung", "m/1") == "m_1_P1C1_Rohspannung"
    assert file_name("", "") == "figure"
