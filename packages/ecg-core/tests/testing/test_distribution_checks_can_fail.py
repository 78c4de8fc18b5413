"""Every check of a distribution notices the one thing it is for; the distributions exist only here."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ecg_kit_toys.site import write_distribution

from ecg_core.discovery.index import get_index
from ecg_core.testing.checks import CheckFailed, NotApplicable, checks_of
from ecg_core.testing.kit import Case

NET = "class Net:\n    pass\n"
HOOKS = "from ecg_core.discovery.hooks import hookimpl\n\n\n@hookimpl\ndef ecg_doctor():\n    return ()\n"
METADATA = "Summary: A net.\nLicense-Expression: MIT\nClassifier: Typing :: Typed\nRequires-Dist: ecg-core>=0.1,<0.2\n"
ENTRIES = "[ecg_core.losses]\nnet = ecg_x_net.net:Net\n[ecg_core.plugins]\nhooks = ecg_x_net.hooks\n"
CHANGES = ("imports_leave_the_process_as_it_was",)  # torch and NumPy set environment variables and filters
NEEDS_PROBE = {
    "every_import_succeeds", "hook_modules_are_light", "hooks_are_spelt_right", "targets_are_where_they_are_defined",
    "components_are_of_their_kind", "imports_are_silent", "imports_leave_the_process_as_it_was",
    "hook_modules_import_without_torch",
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What is different from a sound distribution, and what the failure must say."""

    says: str
    net: str = NET
    hooks: str = HOOKS
    metadata: str = METADATA
    entries: str = ENTRIES
    typed: bool = True
    also: tuple[str, ...] = field(default=())


FAULTS = {
    "entry_points_are_valid_and_unique": Fault(
        "losses.net is invalid", entries=ENTRIES.replace("net = ecg_x_net.net:Net", "net = ecg_x_net.net Net")
    ),
    "modules_are_found": Fault(
        "losses.net: module ecg_x_net.absent is not found", entries=ENTRIES.replace("ecg_x_net.net:", "ecg_x_net.absent:")
    ),
    "every_import_succeeds": Fault("(ecg_x_net.net:Net): RuntimeError: no driver", net="raise RuntimeError('no driver')\n"),
    "hook_modules_import_without_torch": Fault(
        "without torch ecg_x_net.hooks", hooks="import torch\n" + HOOKS, also=("hook_modules_are_light", *CHANGES)
    ),
    "hook_modules_are_light": Fault("ecg_x_net.hooks loads numpy", hooks="import numpy\n" + HOOKS, also=CHANGES),
    "hooks_are_spelt_right": Fault("Did you mean 'ecg_doctor'?", hooks=HOOKS.replace("ecg_doctor", "ecg_docter")),
    "a_range_of_ecg_core_is_required": Fault("without an upper bound", metadata=METADATA.replace(",<0.2", "")),
    "targets_are_where_they_are_defined": Fault(
        "losses.net names ecg_x_net.net:Net, which is collections:OrderedDict", net="from collections import OrderedDict as Net\n"
    ),
    "components_are_of_their_kind": Fault("it is a int, which cannot be called", net="Net = 3\n"),
    "imports_are_silent": Fault("ecg_x_net.net:Net prints 'hello'", net="print('hello')\n" + NET),
    "imports_leave_the_process_as_it_was": Fault(
        "ecg_x_net.net:Net changes the working directory", net="import os\nos.chdir('/')\n" + NET
    ),
    "py_typed_is_there_where_it_claims_to_be_typed": Fault("ecg_x_net has no py.typed", typed=False),
    "summary_and_licence_are_stated": Fault("it states no licence", metadata=METADATA.replace("License-Expression: MIT\n", "")),
    "names_are_canonical": Fault("'Net-1' should be lower-case", entries=ENTRIES.replace("net =", "Net-1 =")),
    "no_first_party_name_is_taken": Fault(
        "'cross_entropy' is ecg-core's", entries=ENTRIES.replace("net =", "cross_entropy =")
    ),
}  # fmt: skip


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install the distribution with a fault; gives its plugin."""

    def install(fault: Fault):
        package = tmp_path / "ecg_x_net"
        package.mkdir()
        for name, text in {"__init__.py": "", "net.py": fault.net, "hooks.py": fault.hooks}.items():
            (package / name).write_text(text)
        if fault.typed:
            (package / "py.typed").touch()
        write_distribution(tmp_path, "ecg-x-net", fault.entries, fault.metadata)
        info = tmp_path / "ecg_x_net-0.1.0.dist-info"
        (info / "top_level.txt").write_text("ecg_x_net\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()
        return get_index(refresh=True).plugins["ecg-x-net"]

    yield install
    for name in [name for name in sys.modules if name.partition(".")[0] == "ecg_x_net"]:
        del sys.modules[name]
    monkeypatch.undo()
    get_index(refresh=True)


@pytest.mark.parametrize("check", FAULTS)
def test_a_distribution_with_one_fault_fails_that_check_and_the_message_says_how(check, installed):
    plugin = installed(FAULTS[check])
    with pytest.raises(CheckFailed) as caught:
        Case(plugin, check).run()
    assert FAULTS[check].says in str(caught.value)
    assert f"ecg-x-net 0.1.0 fails {check}" in str(caught.value)
    others = set(checks_of("distributions")) - {check} - (set() if check in NEEDS_PROBE else NEEDS_PROBE)
    others -= {"hook_modules_import_without_torch"}  # an import more, which only it needs
    assert {name for name in others if not _holds(plugin, name)} == set(FAULTS[check].also)


def test_a_sound_distribution_passes_every_check_and_none_is_skipped(installed):
    plugin = installed(Fault(""))
    for name in checks_of("distributions"):
        Case(plugin, name).run()


def test_the_table_has_a_fault_for_every_check():
    assert set(FAULTS) == set(checks_of("distributions"))


def _holds(plugin, name: str) -> bool:
    try:
        Case(plugin, name).run()
    except NotApplicable:
        return True
    except CheckFailed:
        return False
    return True
