"""From the relaxed plan to an exactly k-sparse one that meets both marginals."""
