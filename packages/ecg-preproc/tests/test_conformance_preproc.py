"""Every component of ecg-preproc satisfies the public contract."""

import subprocess
import sys

from ecg_core.testing import conformance

test_conformance = conformance("ecg-preproc")

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-k", "bandpass or wfdb or census", sys.argv[1]]))
"""


def test_the_kit_needs_no_torch_for_transforms_and_readers():
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, __file__], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "torch is not installed" in done.stdout  # the reason of what was skipped
