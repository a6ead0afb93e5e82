"""The measurement of the verdicts' speed runs the real functions both ways and says what it measured."""

from energy_pipeline.bench.fits import fits_markdown, measure_fits


def test_both_ways_are_measured_and_named() -> None:
    figures = measure_fits(cells=20, days=130, rounds=1)
    assert figures["with_comparisons"] > 0
    assert figures["without_comparisons"] > 0
    text = fits_markdown(figures)
    assert "20 cells × 130 days" in text
    assert "s CPU with every comparison method" in text
