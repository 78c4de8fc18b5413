"""The index: what strangers declare, how healthy it is, and that none of them can take the host down."""

from __future__ import annotations

import json
import sys
import threading

import pytest

from ecg_core.discovery import index as index_module
from ecg_core.discovery.index import get_index
from ecg_core.discovery.kinds import FIRST_PARTY, KINDS
from ecg_core.discovery.metadata import declared_sections
from ecg_core.discovery.names import comparison_key, near_names

# Each is one stranger's package as found in the wild (importlib_metadata#523, #518, setuptools#4961, pip#14220).
MALFORMED = {
    "not UTF-8": (b"[ecg_core.backbones]\nbad = caf\xe9:X\n", None),
    "a value that is no reference": (b"[ecg_core.backbones]\nbad = pkg:ecg-plugin.toml\n", None),
    "lines without a section, a name or an equals sign": (b"orphan = a:b\n[ecg_core.backbones\n= a:b\nnonsense\n]\n", None),
    "no name in METADATA": (b"[ecg_core.backbones]\nbad = pkg:X\n", "Metadata-Version: 2.1\n\n"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_stranger_takes_nobody_down(site, kind):
    entry_points, metadata = MALFORMED[kind]
    site.install("ecg-x-broken", entry_points, {}, metadata=metadata)
    site.install("ecg-tcn")
    index = site.refresh()
    assert {c.qualified: c.status for c in index.components("backbones")}["ecg-tcn:tcn"] == "ok"
    assert {c.status for p in FIRST_PARTY if p in index.plugins for c in index.plugins[p].components} == {"ok"}
    assert not any(c.status == "ok" for c in index.components() if c.provider == "ecg-x-broken")


def test_metadata_that_cannot_be_read_is_reported_with_its_place(site):
    where = site.install("ecg-x-broken", MALFORMED["not UTF-8"][0], {})
    (problem,) = site.refresh().problems
    assert problem.startswith(f"{where}: its metadata cannot be read (UnicodeDecodeError: ")


def test_metadata_without_a_name_is_reported_with_its_place(site):
    where = site.install("ecg-x-broken", modules={}, metadata="Metadata-Version: 2.1\n\nName: in the description\nVersion: 1\n")
    assert site.refresh().problems == (f"{where}: its METADATA has no name or version",)


def test_a_finder_that_raises_costs_only_its_own_distributions(site, monkeypatch):
    class Hook:
        def find_spec(self, *arguments):
            return None

        def find_distributions(self, context):
            raise RuntimeError("half an editable install")

    site.install("ecg-tcn")
    monkeypatch.setattr(sys, "meta_path", [Hook(), *sys.meta_path])
    index = site.refresh()
    assert index.problems == (
        f"{Hook.__module__}.{Hook.__qualname__}: it cannot list distributions (RuntimeError: half an editable install)",
    )
    assert "ecg-tcn" in index.plugins
    assert "ecg-core" in index.plugins


STATUS = {
    "missing": ("[ecg_core.backbones]\nb = ecg_x_nowhere.model:B\n", "module ecg_x_nowhere.model is not found; reinstall ecg-x"),
    "missing inside": ("[ecg_core.backbones]\nb = ecg_tcn.gone:B\n", "module ecg_tcn.gone is not found; reinstall ecg-x"),
    "missing below a module": (
        "[ecg_core.backbones]\nb = ecg_tcn.model.deep:B\n",
        "module ecg_tcn.model.deep is not found; reinstall ecg-x",
    ),
    "invalid": ("[ecg_core.backbones]\nb = ecg_tcn.model\n", "'ecg_tcn.model' is not 'module:Class'"),
    "invalid target": ("[ecg_core.backbones]\nb = os; import this:B\n", "'os; import this:B' is not 'module:Class'"),
    "duplicate": (
        "[ecg_core.backbones]\nb = ecg_tcn.model:TCN\nB = ecg_tcn.model:TCN\n",
        "ecg-x declares this name twice; the first one counts",
    ),
}


@pytest.mark.parametrize("case", STATUS)
def test_health_is_found_without_an_import(site, case):
    entry_points, detail = STATUS[case]
    site.install("ecg-tcn")
    site.install("ecg-x", entry_points, {})
    found = site.statuses()
    name = "ecg-x:B" if case == "duplicate" else "ecg-x:b"
    assert found[name] == (case.split()[0], detail)
    assert "ecg_tcn.model" not in sys.modules


def test_an_unknown_kind_is_said_with_the_known_ones(site):
    site.install("ecg-x", "[ecg_core.backbone]\nb = ecg_tcn.model:TCN\n")
    assert site.statuses("backbone")["ecg-x:b"] == ("unknown-kind", f"'backbone' is none of {', '.join(KINDS)}")


@pytest.mark.parametrize(
    ("requirement", "admitted"),
    [
        ("ecg-core>=0.1,<0.2", True),
        ("ecg-core (>=0.1,<0.2)", True),
        ("ecg_core[torch]>=0.1", True),
        ("ecg-core", True),
        ("ecg-core>=0.2,<0.3", False),
        ("ecg-core<0.1", False),
        ("ecg-core==0.1.0", True),
        ("ecg-core>=99; python_version>'3'", False),
        ("ecg-core-extras<0.0.1,>=99", True),  # another distribution altogether
    ],
)
def test_the_declared_core_versions_decide_compatibility(site, requirement, admitted):
    site.install("ecg-tcn", requires=f"Requires-Dist: {requirement}")
    assert site.statuses()["ecg-tcn:tcn"][0] == ("ok" if admitted else "incompatible")


def test_an_incompatible_plugin_says_what_it_needs(site):
    site.install("ecg-tcn", requires="Requires-Dist: ecg-core>=7,<8")
    core = get_index().plugins["ecg-core"].version
    assert site.statuses()["ecg-tcn:tcn"] == ("incompatible", f"needs ecg-core >=7,<8, installed is {core}")


def test_a_requirement_in_the_description_is_no_requirement(site):
    site.install("ecg-tcn", metadata="Name: ecg-tcn\nVersion: 1\n\nPin it:\nRequires-Dist: ecg-core>=99\n")
    assert site.statuses()["ecg-tcn:tcn"][0] == "ok"


def test_strangers_with_the_same_name_are_in_conflict_and_a_name_of_ours_is_shadowed(site):
    for provider in ("ecg-tcn", "ecg-x"):
        site.install(provider, "[ecg_core.backbones]\ntcn = ecg_tcn.model:TCN\nResNet_18 = ecg_tcn.model:TCN\n")
    found = site.statuses()
    assert found["ecg-tcn:tcn"] == ("conflict", "also shipped by ecg-x")
    assert found["ecg-x:tcn"] == ("conflict", "also shipped by ecg-tcn")
    assert found["ecg-x:ResNet_18"] == ("shadowed", "'ResNet_18' is ecg-backbones's; write 'ecg-x:ResNet_18'")


@pytest.mark.parametrize(
    ("variable", "value", "blocked"),
    [
        ("ECG_PLUGINS", "", True),
        ("ECG_PLUGINS", "ecg-other, ecg-more", True),
        ("ECG_PLUGINS", "ecg-other, ECG_TCN ", False),
        ("ECG_PLUGINS_BLOCK", "", False),
        ("ECG_PLUGINS_BLOCK", " ecg.tcn,", True),
        ("ECG_PLUGINS_BLOCK", "ecg-core,ecg-backbones", False),
    ],
)
def test_the_environment_blocks_strangers_and_never_ours(site, monkeypatch, variable, value, blocked):
    site.install("ecg-tcn")
    monkeypatch.setenv(variable, value)
    expected = ("blocked", "by ECG_PLUGINS or ECG_PLUGINS_BLOCK") if blocked else ("ok", "")
    assert site.statuses()["ecg-tcn:tcn"] == expected
    assert {c.status for c in get_index().plugins["ecg-core"].components} == {"ok"}


def test_a_copy_further_down_the_path_is_hidden_and_said(site, tmp_path):
    from_above = site.install("ecg-tcn", version="0.3.1")
    below = type(site)(tmp_path / "below", site.prepend)
    below.install("ecg-tcn", version="0.2.0")
    site.prepend(str(site.folder))
    index = site.refresh()
    assert index.plugins["ecg-tcn"].version == "0.3.1"
    assert index.problems == (f"ecg-tcn is installed twice; {below.folder} (0.2.0) is hidden by {from_above.parent}",)


def test_the_same_folder_twice_on_the_path_is_no_second_copy(site, tmp_path):
    site.install("ecg-tcn")
    (tmp_path / "link").symlink_to(site.folder)
    site.prepend(str(tmp_path / "link"))
    assert site.refresh().problems == ()


def test_what_is_installed_during_a_process_is_seen_after_a_refresh(site):
    site.refresh()
    site.install("ecg-tcn")
    assert "ecg-tcn" not in get_index().plugins
    assert "ecg-tcn" in get_index(refresh=True).plugins


def test_ours_come_first_then_names_in_order(site):
    for name in ("ecg-x-zebra", "ecg-tcn", "a-first"):
        site.install(name, modules={})
    order = list(site.refresh().plugins)
    strangers = [name for name in order if name not in FIRST_PARTY]
    assert order == [name for name in sorted(FIRST_PARTY) if name in order] + sorted(strangers)
    assert strangers[0] == "a-first"


def test_many_threads_share_one_scan(site, monkeypatch):
    scans = []
    scan = index_module._scan
    monkeypatch.setattr(index_module, "_cached", None)
    monkeypatch.setattr(index_module, "_scan", lambda: scans.append(1) or scan())
    start, found = threading.Barrier(8), []

    def ask():
        start.wait()
        found.append(get_index())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(scans) == 1
    assert len({id(index) for index in found}) == 1


def test_comments_extras_and_foreign_sections_are_left_out():
    text = "# a comment\n[console_scripts]\nx = y:z\n\n[ecg_core.backbones]\n; another\na = m:A [gpu]\n\n[other]\nb = m:B\n"
    assert [(d.group, d.name, d.target) for d in declared_sections(text)] == [("backbones", "a", "m:A")]


def test_spellings_of_a_name_compare_equal():
    assert {comparison_key(n) for n in ("MobileNetV3", "mobilenet_v3", "mobilenet-v3", "Mobile.Net V3")} == {"mobilenetv3"}


def test_near_names_come_nearest_first_and_far_ones_not_at_all():
    assert near_names("resnet_l8", ["resnet18", "resnet34", "vit_tiny"])[0] == "resnet18"
    assert near_names("zzz", ["resnet18", "vit_tiny"]) == []


def test_the_index_of_this_installation_is_healthy_and_serialisable():
    index = get_index(refresh=True)
    assert {c.status for p in FIRST_PARTY if p in index.plugins for c in index.plugins[p].components} == {"ok"}
    assert json.loads(json.dumps(index.to_dict()))["schema"] == 2
