"""Importing the package is cheap."""

import subprocess
import sys

import pytest


def test_importing_ecg_ssl_loads_no_torch_and_no_sibling():
    code = """
import sys, ecg_ssl
assert not {"torch", "numpy"} & set(sys.modules), "import ecg_ssl loaded a heavy library"
assert set(ecg_ssl.__all__) <= set(dir(ecg_ssl))
assert all(getattr(ecg_ssl, name) is not None for name in ecg_ssl.__all__)
assert not {m for m in sys.modules if m.startswith(("ecg_backbones", "ecg_preproc"))}, "a sibling was imported"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_of_ecg_ssl_is_an_attribute_error():
    import ecg_ssl

    with pytest.raises(AttributeError, match="no attribute 'SimCRL'"):
        ecg_ssl.SimCRL
