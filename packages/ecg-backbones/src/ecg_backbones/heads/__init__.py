"""Heads: features into scores."""
