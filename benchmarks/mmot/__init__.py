"""Multi-marginal transport beside POT, the published algorithm and barycentre methods."""
