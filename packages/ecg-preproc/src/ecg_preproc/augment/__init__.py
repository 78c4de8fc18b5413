"""Augmentation: random transforms of a signal, drawn per window."""
