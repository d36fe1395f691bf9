"""Derivative-free optimisers, one method a file; each is also there by ask and tell."""
