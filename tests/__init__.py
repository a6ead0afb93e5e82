"""Tests of the pipeline and the viewer; the folders mirror the packages."""
