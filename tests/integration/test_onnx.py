"""Every backbone as an ONNX program of any number of windows and any length, against itself (run by `nox -s slow`)."""

from __future__ import annotations

import pytest
import torch

from ecg_core.discovery.index import get_index
from ecg_core.testing.kit import Example

onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnx, onnxscript and onnxruntime")
pytest.importorskip("onnxscript", reason="needs onnx, onnxscript and onnxruntime")

BACKBONES = [c for c in get_index().components("backbones") if c.status == "ok"]
CANNOT = {
    "bigru": "torch decomposes a GRU for one length only",
    "s4": "the Fourier transform of onnxruntime takes one length only; with that length it runs",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of the exporter, about its own parts
]


@pytest.mark.parametrize("component", BACKBONES, ids=lambda c: c.name)
def test_an_onnx_program_gives_the_features_of_its_backbone(component, tmp_path, request):
    if component.name in CANNOT:
        request.applymarker(pytest.mark.xfail(reason=CANNOT[component.name], strict=True))
    example = Example.of(component)
    torch.manual_seed(0)
    backbone = example.build(in_leads=example.leads).eval()
    samples = max(example.samples, 2 * backbone.min_samples)
    x = torch.randn(2, example.leads, samples)
    shapes = {0: torch.export.Dim("batch"), 2: torch.export.Dim("samples", min=max(2, backbone.min_samples))}
    torch.onnx.export(backbone, (x,), dynamo=True, dynamic_shapes=(shapes,), verbose=False).save(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    for y in (x, torch.randn(3, example.leads, samples + 37)):
        (found,) = session.run(None, {session.get_inputs()[0].name: y.numpy()})[:1]
        expected = backbone(y).detach()
        torch.testing.assert_close(
            torch.from_numpy(found), expected, rtol=1e-5, atol=1e-5 * max(1.0, float(expected.abs().max()))
        )
