"""Readers, transforms, augmentations and synthetic ECGs. Importing it loads neither torch, numpy nor pandas."""

__version__ = "0.1.0"
