"""Routers beside one another in a small language model of characters."""
