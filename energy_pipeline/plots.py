"""Small pictures as PNG bytes, drawn with Pillow: a heat map, and bars. Milliseconds each, a few kB, no axes to tune.

They are looked at in Dagster beside a run. What they show is chosen in `assets/pictures.py`; the figures that a person
works with are the viewer's. Values are never thinned or merged: what does not fit is left out by name.
"""

import io
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Float = NDArray[np.float64]
WHITE, INK, MISSING, GRID = 0, 1, 2, 3
FIRST, STEPS = 16, 240  # palette entries of the colour scale
BAR_COLOURS = ((31, 119, 180), (255, 127, 14), (44, 160, 44))
MOST_ROWS, MOST_COLUMNS = 512, 800
WIDTH, HEIGHT = 620, 300  # room for the cells of a heat map [px]
SCALES = {
    "share": ((128, 0, 38), (252, 141, 89), (255, 255, 191), (120, 190, 130), (0, 90, 60)),
    "level": ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)),
    "difference": ((33, 60, 150), (140, 180, 220), (247, 247, 247), (240, 160, 130), (150, 20, 30)),
}


def heat_map(
    values: Float, rows: Sequence[str], columns: Sequence[str], title: str, unit: str, scale: str = "level",
    limits: tuple[float, float] | None = None, missing: str = "no value",
) -> bytes:
    """Draw a matrix, rows downwards; NaN is grey.

    Args:
        values: shape (rows, columns).
        rows: a name per row.
        columns: a name per column; as many as have room are written.
        title: what is shown.
        unit: of the values, for the legend.
        scale: share, level, or difference (symmetric about zero).
        limits: values of the first and the last colour (what lies beyond has the same); default: the extremes.
        missing: what the legend calls the grey.
    """
    notes = []
    if values.shape[0] > MOST_ROWS:
        notes.append(f"first {MOST_ROWS} of {values.shape[0]} rows")
    if values.shape[1] > MOST_COLUMNS:
        notes.append(f"last {MOST_COLUMNS} of {values.shape[1]} columns")
    values, rows, columns = values[:MOST_ROWS, -MOST_COLUMNS:], rows[:MOST_ROWS], columns[-MOST_COLUMNS:]
    low, high = limits or _limits(values, scale)
    high_of_cell = max(1, min(14, HEIGHT // max(len(rows), 1)))
    wide = max(1, min(18, WIDTH // max(len(columns), 1)))
    known = np.isfinite(values)
    place = np.where(known, (values - low) / (high - low) if high > low else 0.5, 0.0)
    cells = np.where(known, FIRST + np.rint(place.clip(0, 1) * (STEPS - 1)), MISSING).astype(np.uint8)
    picture = np.repeat(np.repeat(cells, high_of_cell, axis=0), wide, axis=1)
    left, top = _label_width(rows) + 8, 24
    image, draw = _canvas(left + max(picture.shape[1], 320) + 12, top + picture.shape[0] + 50, scale)
    draw.text((4, 4), "; ".join([title, *notes]), fill=INK, font=_font())
    image.paste(Image.fromarray(picture), (left, top))
    step = max(1, -(-13 // high_of_cell))
    for i in range(0, len(rows), step):
        draw.text((4, top + i * high_of_cell + high_of_cell // 2 - 7), rows[i], fill=INK, font=_font())
    _columns(draw, columns, left, top + picture.shape[0] + 2, wide)
    _legend(image, draw, (left, top + picture.shape[0] + 24), (low, high), unit, missing)
    return _png(image)


def bars(series: Mapping[str, Float], columns: Sequence[str], title: str, unit: str) -> bytes:
    """Draw up to three series as bars side by side per column, with zero as their base; NaN leaves a gap."""
    names = list(series)[: len(BAR_COLOURS)]
    values = np.array([series[n] for n in names], float)
    low, high = min(0.0, float(np.nanmin(values, initial=0.0))), max(0.0, float(np.nanmax(values, initial=0.0)))
    span = high - low or 1.0
    wide = max(1, min(18, WIDTH // max(len(columns) * (len(names) + 1), 1)))
    group, top, left, height = wide * (len(names) + 1), 40, 70, 160
    image, draw = _canvas(left + max(group * len(columns), 320) + 12, top + height + 26, "level")
    draw.text((4, 4), title, fill=INK, font=_font())

    def y(value: float) -> float:
        return top + height * (high - value) / span

    for mark in sorted({low, 0.0, high}):
        draw.line((left, y(mark), left + group * len(columns), y(mark)), fill=GRID)
        number = f"{mark:,.0f}" if abs(mark) >= 1000 else f"{mark:.4g}"
        draw.text((4, y(mark) - 7), f"{number} {unit}", fill=INK, font=_font())
    for k, name in enumerate(names):
        draw.rectangle((left + 130 * k, 24, left + 130 * k + 9, 33), fill=4 + k)
        draw.text((left + 130 * k + 14, 21), name, fill=INK, font=_font())
        for i, value in enumerate(values[k].tolist()):
            if np.isfinite(value):
                x = left + i * group + k * wide
                draw.rectangle((x, min(y(value), y(0)), x + wide - 1, max(y(value), y(0))), fill=4 + k)
    _columns(draw, columns, left, top + height + 4, group)
    return _png(image)


def _limits(values: Float, scale: str) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    if scale == "difference":
        return -max(abs(low), abs(high)), max(abs(low), abs(high))
    return low, high


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(11)


def _label_width(labels: Sequence[str]) -> int:
    return int(max((_font().getlength(text) for text in labels), default=0))


def _canvas(width: int, height: int, scale: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("P", (width, height), WHITE)
    image.putpalette(_palette(scale))
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1"  # palette pictures have no shades between ink and paper
    return image, draw


@cache
def _palette(scale: str) -> bytes:
    anchors = np.array(SCALES[scale], float)
    at = np.linspace(0, len(anchors) - 1, STEPS)
    ramp = np.stack([np.interp(at, np.arange(len(anchors)), anchors[:, c]) for c in range(3)], axis=1)
    fixed = np.full((FIRST, 3), 255.0)
    fixed[INK], fixed[MISSING], fixed[GRID] = (40, 40, 40), (215, 215, 215), (190, 190, 190)
    fixed[4 : 4 + len(BAR_COLOURS)] = BAR_COLOURS
    return np.rint(np.concatenate([fixed, ramp])).astype(np.uint8).tobytes()


def _columns(draw: ImageDraw.ImageDraw, names: Sequence[str], left: int, y: int, wide: int) -> None:
    room = _label_width(names) + 8
    step = max(1, -(-room // wide))
    for i in range(0, len(names), step):
        draw.text((left + i * wide, y), names[i], fill=INK, font=_font())


def _legend(
    image: Image.Image, draw: ImageDraw.ImageDraw, at: tuple[int, int], limits: tuple[float, float], unit: str,
    missing: str,
) -> None:
    ramp = np.arange(FIRST, FIRST + STEPS, 2, dtype=np.uint8)
    image.paste(Image.fromarray(np.repeat(ramp[None, :], 10, axis=0)), at)
    x, y = at[0] + len(ramp) + 6, at[1] - 2
    draw.text((x, y), f"{limits[0]:.5g} … {limits[1]:.5g} {unit}".rstrip(), fill=INK, font=_font())
    draw.rectangle((x + 150, at[1], x + 159, at[1] + 9), fill=MISSING)
    draw.text((x + 165, y), missing, fill=INK, font=_font())


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=False, compress_level=6)
    return buffer.getvalue()
