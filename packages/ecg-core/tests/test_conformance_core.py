"""Every component of ecg-core satisfies the public contract (a chain needs something to chain: ecg-preproc)."""

import pytest

from ecg_core.testing import conformance

pytest.importorskip("ecg_preproc", reason="Compose is checked with a transform of ecg-preproc")

test_conformance = conformance("ecg-core")
