"""Every component of ecg-ssl satisfies the public contract."""

from ecg_core.testing import conformance

test_conformance = conformance("ecg-ssl")
