"""Derivative-free optimisers side by side: data and performance profiles."""
