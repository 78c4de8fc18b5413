"""Torch blocks that more than one package builds from."""
