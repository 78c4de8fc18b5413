"""Converters between our weights and those of published code."""
