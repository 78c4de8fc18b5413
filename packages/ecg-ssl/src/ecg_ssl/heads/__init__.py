"""Heads that a method needs during pre-training only."""
