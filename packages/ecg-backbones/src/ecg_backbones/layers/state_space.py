"""Diagonal state spaces: a long convolution over time whose kernel is a sum of damped oscillations.

Gu, Gupta, Goel, Ré, "On the parameterization and initialization of diagonal state space models", NeurIPS 2022,
arXiv:2206.11893 (S4D; initialised as S4D-Lin, with B fixed to ones and discretised by a zero-order hold).

Complex numbers are held as pairs of real ones, and the Vandermonde product is taken in blocks of time: ``exp(a (m q + r))`` is
``exp(a m q) exp(a r)``, so that a kernel of any length costs one product of small matrices instead of a table of channels by
states by steps. Only the spectra are complex tensors.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["DiagonalStateSpace"]

_BLOCK = 64  # steps of one block of the kernel


class DiagonalStateSpace(nn.Module):
    """Each channel by itself through ``x' = A x + u``, ``y = 2 Re(C x) + D u`` with a diagonal A, sampled at the channel's rate.

    Args:
        channels: Channels of the input.
        states: States of each channel, even; half of them are stored, the others are their conjugates.
        bidirectional: Add the same system read backwards, with a C of its own.
        step_range: Smallest and largest time step a channel starts with; drawn log-uniformly.
        time_scale: Multiplies every time step: 0.5 at twice the sampling frequency keeps the kernels as they are in seconds.

    Shape:
        ``(batch, channels, steps)`` to the same

    Raises:
        ValueError: ``states`` is not a positive even number, or the time steps are not positive and in order.
    """

    def __init__(
        self,
        channels: int,
        *,
        states: int = 64,
        bidirectional: bool = True,
        step_range: tuple[float, float] = (1e-3, 1e-1),
        time_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if states < 2 or states % 2:
            raise ValueError(f"states come in conjugate pairs, so there must be a positive even number of them, got {states}")
        if not 0 < step_range[0] <= step_range[1] or time_scale <= 0:
            raise ValueError(
                f"time steps must satisfy 0 < shortest <= longest and time_scale > 0, got {tuple(step_range)} and {time_scale}"
            )
        pairs = states // 2
        self._sizes = channels, pairs
        self.step_range, self.time_scale = tuple(step_range), time_scale
        self.log_step = nn.Parameter(torch.empty(channels))
        # A = -exp(log_decay) + i frequency, (channels, pairs) stored as vectors: weight decay is for matrices, and would draw
        # every oscillation to a standstill; the authors' code, too, trains A and the time steps without.
        self.log_decay = nn.Parameter(torch.empty(channels * pairs))
        self.frequency = nn.Parameter(torch.empty(channels * pairs))
        self.readout = nn.Parameter(torch.empty(2 if bidirectional else 1, channels, pairs, 2))  # C: real and imaginary part
        self.skip = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """S4D-Lin: ``A_n = -1/2 + i pi n``; the time steps log-uniform, C and D normal."""
        shortest, longest = map(math.log, self.step_range)
        nn.init.uniform_(self.log_step, shortest, longest)
        nn.init.constant_(self.log_decay, math.log(0.5))
        with torch.no_grad():
            self.frequency.unflatten(0, self._sizes).copy_(math.pi * torch.arange(self._sizes[1]))
        nn.init.normal_(self.readout, std=0.5**0.5)  # a complex normal number of variance 1
        nn.init.normal_(self.skip)

    def kernel(self, steps: int, dtype: torch.dtype | None = None) -> Tensor:
        """``(directions, channels, steps)``: what an impulse leaves behind.

        Args:
            steps: Length of the kernel.
            dtype: Precision; that of the parameters by default.
        """
        decay, frequency = (p.to(dtype).unflatten(0, self._sizes) for p in (self.log_decay.exp(), self.frequency))
        readout = self.readout.to(dtype)
        step = self.time_scale * self.log_step.to(dtype).exp()[:, None]
        real, imag = -decay * step, frequency * step  # A dt: (channels, pairs)
        # By a zero-order hold the discrete B is (exp(A dt) - 1) / A, here as one complex number times C.
        # exp(a + ib) - 1 is written so that short time steps do not cancel.
        held = real.expm1() * imag.cos() - 2 * (imag / 2).sin().square(), real.exp() * imag.sin()
        size = decay.square() + frequency.square()
        gain = (frequency * held[1] - decay * held[0]) / size, (-decay * held[1] - frequency * held[0]) / size
        weight = (
            2 * (readout[..., 0] * gain[0] - readout[..., 1] * gain[1]),
            2 * (readout[..., 0] * gain[1] + readout[..., 1] * gain[0]),
        )  # (directions, channels, pairs)
        blocks = steps // _BLOCK + 2  # never a single one, for which an exported program would be special
        start = _BLOCK * torch.arange(blocks, device=step.device, dtype=step.dtype)[:, None]  # (blocks, 1)
        within = torch.arange(_BLOCK, device=step.device, dtype=step.dtype)
        envelope, angle = (real[:, None] * start).exp(), imag[:, None] * start  # (channels, blocks, pairs)
        left = torch.cat(
            [
                envelope * (weight[0][..., None, :] * angle.cos() - weight[1][..., None, :] * angle.sin()),
                -envelope * (weight[0][..., None, :] * angle.sin() + weight[1][..., None, :] * angle.cos()),
            ],
            dim=-1,
        )  # (directions, channels, blocks, 2 pairs)
        envelope, angle = (real[..., None] * within).exp(), imag[..., None] * within  # (channels, pairs, block)
        right = torch.cat([envelope * angle.cos(), envelope * angle.sin()], dim=1)  # (channels, 2 pairs, block)
        # Selected rather than sliced, and the blocks counted generously: an exported program accepts every length.
        return (left @ right).flatten(2).index_select(2, torch.arange(steps, device=step.device))

    def forward(self, x: Tensor) -> Tensor:
        """The response to the input, in the input's precision or float32, whichever is finer."""
        steps, kind = x.shape[-1], torch.promote_types(x.dtype, torch.float32)
        with _full_precision(x.device.type):
            x = x.to(kind)
            kernel = self.kernel(steps, kind)
            length = 2 * steps  # room for the kernel to run out, on both sides
            # Backwards in time is from the end: lag -j stands at length - j. Put together before the transform, because an
            # exporter knows less of complex tensors than to be multiplied.
            both = F.pad(kernel[0], (0, steps))
            if kernel.shape[0] == 2:
                both = both + F.pad(kernel[1].flip(-1), (steps, 0)).roll(1, dims=-1)
            response = torch.fft.rfft(both)
            y = torch.fft.irfft(torch.fft.rfft(x, n=length) * response, n=length)[..., :steps]
            return y + self.skip.to(kind)[:, None] * x


def _full_precision(device: str) -> AbstractContextManager[None]:
    """A place where matrices are multiplied as they are; the meta device, which computes nothing, has no such setting."""
    return nullcontext() if device == "meta" else torch.autocast(device, enabled=False)
