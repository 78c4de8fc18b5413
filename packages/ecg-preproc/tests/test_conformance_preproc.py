"""Every component of ecg-preproc satisfies the public contract."""

from ecg_core.testing import conformance

test_conformance = conformance("ecg-preproc")
