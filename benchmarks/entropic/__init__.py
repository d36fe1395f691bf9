"""sinkhorn beside POT and, where installed, OTT-JAX, at equal marginal error."""
