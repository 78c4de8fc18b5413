"""Diagonal state space over the steps, as one long convolution by FFT.

Gu, Gupta, Goel, Ré, "On the parameterization and initialization of diagonal state space models", NeurIPS 2022,
arXiv:2206.11893 (S4D-Lin, discretised with a zero-order hold): ``x' = A x + B u``, ``y = Re(C x) + D u`` with a complex
diagonal ``A`` whose imaginary parts are multiples of pi, and ``B`` of ones.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["DiagonalStateSpace"]


class DiagonalStateSpace(nn.Module):
    """A state of its own for every channel, in one direction or in both.

    Parameters are pairs of real numbers and the kernel is made in real arithmetic, so that weights are stored, cast and
    exported like any others.

    Args:
        channels: Channels of the input.
        state: Complex numbers in the state of a channel; each stands for itself and its conjugate.
        bidirectional: Add the same from the end of the window, with a ``C`` of its own.
        step_range: Bounds of the step sizes that are drawn first, log-uniformly.

    Shape:
        ``(batch, channels, steps)`` to the same

    Raises:
        ValueError: There is no state.
    """

    def __init__(
        self,
        channels: int,
        *,
        state: int = 16,
        bidirectional: bool = True,
        step_range: tuple[float, float] = (1e-3, 1e-1),
    ) -> None:
        super().__init__()
        if state < 1:
            raise ValueError(f"a state space needs at least one number in its state, got state={state}")
        low, high = (math.log(bound) for bound in step_range)
        self.log_step = nn.Parameter(low + (high - low) * torch.rand(channels))
        self.log_decay = nn.Parameter(torch.full((channels, state), math.log(0.5)))  # -Re A, positive whatever is learned
        self.frequency = nn.Parameter(math.pi * torch.arange(state).float().repeat(channels, 1))
        directions = 2 if bidirectional else 1
        self.read = nn.Parameter(torch.randn(directions, channels, state, 2) * 0.5**0.5)  # C
        self.skip = nn.Parameter(torch.randn(channels))  # D

    def kernel(self, steps: int) -> Tensor:
        """What an impulse leaves in each later step, ``(directions, channels, steps)``."""
        step = self.log_step.exp()[:, None]
        decay, turn = -self.log_decay.exp(), self.frequency
        # (exp(step A) - 1) / A, the hold of B = 1, in real and imaginary parts
        grown = (step * decay).exp()
        above_re, above_im = grown * (step * turn).cos() - 1, grown * (step * turn).sin()
        size = decay.square() + turn.square()
        held_re, held_im = (above_re * decay + above_im * turn) / size, (above_im * decay - above_re * turn) / size
        read_re, read_im = self.read.unbind(-1)
        weight_re, weight_im = read_re * held_re - read_im * held_im, read_re * held_im + read_im * held_re
        times = torch.arange(steps, device=step.device, dtype=step.dtype)
        envelope = ((step * decay)[..., None] * times).exp()  # (channels, state, steps)
        angle = (step * turn)[..., None] * times
        cosines, sines = envelope * angle.cos(), envelope * angle.sin()
        # Products and sums instead of a contraction, which autocast would do in half precision.
        pairs = zip(weight_re[..., None], weight_im[..., None], strict=True)
        return 2 * torch.stack([(real * cosines - imaginary * sines).sum(dim=1) for real, imaginary in pairs])

    def forward(self, x: Tensor) -> Tensor:
        """The output of the system, in the precision of the input; computed in float32 at least."""
        steps, dtype = x.shape[-1], torch.promote_types(x.dtype, torch.float32)
        u, made = x.to(dtype), self.kernel(steps).to(dtype)
        forwards, *backwards = made.split(1)
        # Backwards one step late, so that no step counts twice; the last of it would lie behind the window.
        signals = [u, forwards, *(F.pad(kernel, (1, -1)) for kernel in backwards)]
        # One transform for all: an exported program cannot prove by itself that kernels, whose number is known, fill its rows.
        spectra = torch.fft.rfft(torch.cat(signals), n=2 * steps)
        response = spectra[-len(made)]
        if backwards:  # backwards in time is the conjugate
            response = response + spectra[-1].conj()
        product = spectra[: -len(made)] * response
        y = torch.fft.irfft(product, n=2 * steps)[..., :steps] + self.skip[:, None].to(dtype) * u
        return y.to(x.dtype)
