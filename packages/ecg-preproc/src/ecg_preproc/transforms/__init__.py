"""Preprocessing: deterministic transforms of a signal, written once for NumPy and torch."""
