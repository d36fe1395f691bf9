"""Guess-and-check and pattern search on networks, beside the published way."""
