"""Synthetic 12-lead ECGs with known diagnoses, for trying everything out without data and without a network."""
