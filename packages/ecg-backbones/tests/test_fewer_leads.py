"""A pre-trained encoder that knows its leads by name goes on with some of them; others say they cannot."""

from __future__ import annotations

import pytest
import torch

from ecg_core import BACKBONES, TokenBackbone
from ecg_core.adaptation.lead_subset import for_leads

TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
SMALL = {"width": 16, "depth": 2, "heads": 2, "head_width": 8}


def _vit(name: str = "vit_tiny", **words) -> TokenBackbone:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return BACKBONES.build({"name": name, **SMALL, **words}, in_leads=12).eval()


@pytest.mark.parametrize("leads", [("II",), ("V5", "I"), tuple(reversed(TWELVE))])
def test_the_cut_encoder_gives_what_the_whole_one_gives_for_these_leads(leads: tuple[str, ...]) -> None:
    whole = _vit()
    cut = for_leads(whole, leads, trained_on=TWELVE, samples=300)
    assert cut is not None
    assert cut.in_leads == len(leads)
    x = torch.randn(3, len(leads), 450)
    torch.testing.assert_close(cut(x), whole.forward_named(x, leads, trained_on=TWELVE), rtol=1e-5, atol=1e-5)
    rows = [TWELVE.index(name) for name in leads]
    assert torch.equal(cut.lead_embedding.weight, whole.lead_embedding.weight[rows])


def test_as_many_leads_as_channels_confuses_nothing() -> None:
    """Tensors with twelve rows that do not belong to leads stay whole."""
    whole = _vit(width=12, heads=1, head_width=12)
    cut = for_leads(whole, ("V1", "V2"), trained_on=TWELVE, samples=300)
    assert cut is not None
    assert cut.norm.weight.shape == (12,)


def test_leads_it_never_saw_or_cannot_tell_apart_give_none() -> None:
    assert for_leads(_vit(), ("I", "X"), trained_on=TWELVE, samples=300) is None
    assert for_leads(_vit("vit_time_tiny"), ("I", "II"), trained_on=TWELVE, samples=300) is None
