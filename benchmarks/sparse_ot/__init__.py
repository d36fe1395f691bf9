"""sparse_ot beside POT's sparsity-constrained transport, on a grid of problems."""
