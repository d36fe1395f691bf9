"""Routers of mixtures of experts: cost beside the experts' own, balance and affinity."""
