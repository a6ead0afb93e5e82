"""Tests of `energy-pipeline doctor`: planted files, the synthetic plant and the real data sets."""
