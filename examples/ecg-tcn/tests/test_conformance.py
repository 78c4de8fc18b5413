"""Everything this package ships keeps the toolkit's contracts."""

from ecg_core.testing import conformance

test_conformance = conformance("ecg-tcn")
