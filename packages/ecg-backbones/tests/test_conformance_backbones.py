"""Every component of ecg-backbones satisfies the public contract."""

from ecg_core.testing import conformance

test_conformance = conformance("ecg-backbones")
