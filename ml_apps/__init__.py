"""Applications of otopt, built on its public face only."""
