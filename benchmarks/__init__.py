"""Side-by-side measurements: ``python -m benchmarks.<topic>`` prints a table and writes JSON."""
