"""Probes: what an import does is told apart, and none of it happens in this process."""

from __future__ import annotations

import os
import sys

import pytest

from ecg_core.discovery.probe import Probe, probe_distribution
from ecg_core.errors import PluginError

BAD = {
    "raises": ("raise RuntimeError('boom')\n", "exception", "RuntimeError: boom"),
    "is not there": ("import ecg_x_absent\n", "exception", "ModuleNotFoundError: No module named 'ecg_x_absent'"),
    "has no class": ("", "exception", "AttributeError: module 'ecg_x_bad.m' has no attribute 'Net'"),
    "exits": ("raise SystemExit(3)\n", "exit", "importing ecg_x_bad.m left the interpreter (SystemExit: 3)"),
    "exits at once": ("import os\nos._exit(7)\n", "exit", "importing ecg_x_bad.m left the interpreter with exit code 7"),
    "crashes": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "crash", "crashed the interpreter (SIGSEGV)"),
    "hangs": ("import time\nwhile True:\n    time.sleep(1)\n", "timeout", "importing ecg_x_bad.m did not end within 1 s"),
    "waits for input": ("input()\n", "exception", "EOFError"),
}


def probes(site, provider: str = "ecg-x", **words) -> dict[str, Probe]:
    """What the distribution's imports did, by name."""
    return {p.what: p for p in probe_distribution(site.refresh().plugins[provider], **{"timeout": 30.0, **words})}


@pytest.mark.parametrize("case", BAD)
def test_each_way_to_fail_is_told_apart_and_the_next_component_is_probed_all_the_same(site, case):
    source, outcome, detail = BAD[case]
    entry_points = "[ecg_core.losses]\nbad = ecg_x_bad.m:Net\ngood = ecg_x_good.m:Net\n"
    site.install("ecg-x", entry_points, {"ecg_x_bad/m.py": source, "ecg_x_good/m.py": "class Net:\n    pass\n"})
    found = probes(site, timeout=1.0 if case == "hangs" else 30.0)
    assert found["losses:bad"].outcome == outcome
    assert detail in found["losses:bad"].detail
    assert found["losses:good"].outcome == "ok"
    assert "ecg_x_bad" not in sys.modules


def test_what_a_component_prints_warns_and_changes_is_heard(site, capfd):
    source = (
        "import os, random, sys, warnings\nprint('hello')\nos.write(2, b'from C')\nwarnings.warn('mind the gap')\n"
        "random.random()\nos.environ['X_Y_Z'] = '1'\nos.chdir('/')\nwarnings.simplefilter('ignore')\nNet = dict\n"
    )
    site.install("ecg-x", "[ecg_core.losses]\nloud = ecg_x_loud.m:Net\n", {"ecg_x_loud/m.py": source})
    before = os.getcwd()
    loud = probes(site)["losses:loud"]
    assert "hello" in loud.printed
    assert "from C" in loud.printed
    assert loud.warned == ("UserWarning: mind the gap",)
    assert set(loud.changed) == {
        "the working directory",
        "environment variables",
        "Python's random state",
        "the warnings filters",
    }
    assert (os.getcwd(), capfd.readouterr().out) == (before, "")


def test_the_state_of_torch_and_numpy_is_looked_at_too(site):
    pytest.importorskip("torch")
    source = (
        "import numpy, torch\ntorch.manual_seed(1)\nnumpy.random.seed(1)\ntorch.set_default_dtype(torch.float64)\nNet = dict\n"
    )
    site.install("ecg-x", "[ecg_core.losses]\nloud = ecg_x_loud.m:Net\n", {"ecg_x_loud/m.py": source})
    changed = set(probes(site)["losses:loud"].changed)
    assert {"torch's random state", "NumPy's random state", "torch's default dtype"} <= changed


def test_a_hook_module_is_told_to_load_torch_and_a_component_is_not(site):
    pytest.importorskip("torch")
    entry_points = "[ecg_core.plugins]\nhooks = ecg_x_heavy.hooks\n[ecg_core.losses]\nnet = ecg_x_heavy.net:Net\n"
    modules = {"ecg_x_heavy/hooks.py": "import torch\n", "ecg_x_heavy/net.py": "import torch\nNet = torch.nn.Identity\n"}
    site.install("ecg-x", entry_points, modules)
    found = probes(site)
    assert "torch" in found["plugins:hooks"].heavy
    assert found["losses:net"].heavy == ()


def test_a_hook_module_that_needs_a_blocked_package_fails_without_it(site):
    site.install("ecg-x", "[ecg_core.plugins]\nhooks = ecg_x_heavy.hooks\n", {"ecg_x_heavy/hooks.py": "import torch\n"})
    probe = probes(site, block=("torch",))["plugins:hooks"]
    assert (probe.outcome, probe.detail) == ("exception", "ModuleNotFoundError: No module named 'torch' (blocked)")


def test_another_base_class_and_a_misspelt_hook_are_problems(site):
    pytest.importorskip("torch")
    entry_points = (
        "[ecg_core.plugins]\nhooks = ecg_x_odd.hooks\n"
        "[ecg_core.backbones]\nnet = ecg_x_odd.net:Net\n[ecg_core.transforms]\nnumber = ecg_x_odd.net:NUMBER\n"
    )
    hooks = "from ecg_core import hookimpl\n@hookimpl\ndef ecg_docter():\n    pass\n"
    site.install("ecg-x", entry_points, {"ecg_x_odd/hooks.py": hooks, "ecg_x_odd/net.py": "NUMBER = 3\nclass Net:\n    pass\n"})
    found = probes(site)
    assert found["plugins:hooks"].problems == ("there is no hook 'ecg_docter'. Did you mean 'ecg_doctor'?",)
    assert found["backbones:net"].problems == ("it does not derive from ecg_core.Backbone, the contract of backbones",)
    assert found["transforms:number"].problems == ("it is a int, which cannot be called",)


def test_a_process_that_a_plugin_leaves_behind_ends_with_its_probe(site, tmp_path):
    mark = tmp_path / "alive"
    later = f"import time; time.sleep(2); open({str(mark)!r}, 'w')"
    source = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {later!r}])\nNet = dict\n"
    site.install("ecg-x", "[ecg_core.losses]\nnet = ecg_x_left.m:Net\n", {"ecg_x_left/m.py": source})
    assert probes(site)["losses:net"].outcome == "ok"
    import time

    time.sleep(3)
    assert not mark.exists()


def test_a_process_that_cannot_start_says_what_it_said(site, tmp_path, monkeypatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'no such interpreter' >&2\nexit 3\n")
    broken.chmod(0o755)
    site.install("ecg-tcn")
    plugin = site.refresh().plugins["ecg-tcn"]
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(PluginError, match="the probing process could not start: no such interpreter"):
        probe_distribution(plugin)


@pytest.mark.parametrize("provider", ["ecg-core", "ecg-backbones", "ecg-preproc", "ecg-ssl"])
def test_our_own_packages_import_without_a_sound(site, provider):
    pytest.importorskip("torch")
    if provider not in site.refresh().plugins:
        pytest.skip(f"{provider} is not installed")
    for probe in probes(site, provider).values():
        assert (probe.outcome, probe.printed, probe.warned, probe.changed, probe.problems) == ("ok", "", (), (), ()), probe
        assert not (probe.what.startswith("plugins:") and probe.heavy)
