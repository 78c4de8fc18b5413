"""Importing the package is cheap."""

import subprocess
import sys

import pytest


def test_importing_ecg_backbones_loads_no_torch_and_its_names_are_found_on_demand():
    code = """
import sys, ecg_backbones
assert not {"torch", "numpy"} & set(sys.modules), "import ecg_backbones loaded a heavy library"
assert set(ecg_backbones.__all__) <= set(dir(ecg_backbones))
assert all(getattr(ecg_backbones, name) is not None for name in ecg_backbones.__all__)
assert not {m for m in sys.modules if m.startswith(("ecg_ssl", "ecg_preproc"))}, "a sibling was imported"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    import ecg_backbones

    with pytest.raises(AttributeError, match="no attribute 'ResNet19'"):
        ecg_backbones.ResNet19
