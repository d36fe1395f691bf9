"""Regression timings: ``asv run --python=same --quick``."""
