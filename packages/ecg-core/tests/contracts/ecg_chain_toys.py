"""Toy transforms for the tests of chains."""

from __future__ import annotations

from ecg_core.contracts.random_transform import RandomTransform


class Noise(RandomTransform):
    """White noise."""

    def __init__(self, *, p=1.0):
        self.p = p

    def draw(self, shape, generator):
        return {"noise": generator.normal(shape[1:])}

    def apply(self, x, *, fs, noise):
        return x + noise
