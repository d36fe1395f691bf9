"""Batches of small problems beside loops over sparse_ot and over POT."""
