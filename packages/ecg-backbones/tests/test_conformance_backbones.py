"""Every component of ecg-backbones satisfies the public contract."""

from ecg_core.testing import conformance

test_conformance = conformance(
    "ecg-backbones",
    expected_failures={
        "bigru::compiles_without_graph_breaks": "torch.compile does not take nn.GRU in whole",
        "bigru::exports_with_dynamic_length": "torch.export unrolls nn.GRU over the traced steps",
    },
)
