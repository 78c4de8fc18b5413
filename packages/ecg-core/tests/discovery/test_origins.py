"""Where plugins came from, and what is told of those whose metadata and source no longer agree."""

from __future__ import annotations

import json

import pytest

from ecg_core.discovery.index import get_index, refresh
from ecg_core.discovery.registries import BACKBONES
from ecg_core.discovery.versions import admits
from ecg_core.errors import ConfigError, PluginError, UnknownComponentError

DIRECT_URL = {
    "a folder": ({"url": "file:///src/tcn", "dir_info": {}}, ("file:///src/tcn", False, None)),
    "editable": ({"url": "file:///src/tcn", "dir_info": {"editable": True}}, ("file:///src/tcn", True, None)),
    "a repository": (
        {"url": "https://me:secret@example.org/tcn.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
        ("https://example.org/tcn.git", False, "abc"),
    ),
}


@pytest.mark.parametrize("case", DIRECT_URL)
def test_the_origin_of_an_installation_is_kept_without_passwords(site, case):
    written, expected = DIRECT_URL[case]
    info = site.install("ecg-tcn")
    (info / "direct_url.json").write_text(json.dumps(written))
    origin = site.refresh().plugins["ecg-tcn"].origin
    assert (origin.url, origin.editable, origin.commit) == expected
    (told,) = (p["origin"] for p in get_index().to_dict()["plugins"] if p["name"] == "ecg-tcn")
    assert told == {"url": expected[0], "editable": expected[1], "commit": expected[2]}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"url": 3, "dir_info": 4}', "null"])
def test_a_damaged_origin_says_nothing_and_harms_nobody(site, text):
    info = site.install("ecg-tcn")
    (info / "direct_url.json").write_text(text)
    assert site.refresh().plugins["ecg-tcn"].origin is None
    assert site.statuses()["ecg-tcn:tcn"][0] == "ok"


def editable(site, tmp_path, pyproject: str, entry_points: str = "[ecg_core.backbones]\ntcn = ecg_tcn.model:TCN\n"):
    """``ecg-tcn`` installed from a source tree with this ``pyproject.toml``; what `pip install -e` would be given."""
    folder = tmp_path / "my source"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(pyproject)
    info = site.install("ecg-tcn", entry_points)
    url = folder.as_uri()
    (info / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {"editable": True}}))
    return f'install it again: pip install -e "{folder}"'


ONE = '[project]\nname = "ecg-tcn"\n[project.entry-points."ecg_core.backbones"]\n'


def test_an_entry_point_added_since_the_installation_is_stale_with_the_command_that_helps(site, tmp_path):
    fix = editable(site, tmp_path, ONE + 'tcn = "ecg_tcn.model:TCN"\nwide = "ecg_tcn.model:TCN"\n')
    assert site.statuses() == {
        "ecg-tcn:tcn": ("ok", ""),
        "ecg-tcn:wide": ("stale", f"it is in pyproject.toml, but was not yet when this was installed; {fix}"),
    }
    with pytest.raises(UnknownComponentError, match="backbones 'wide' from ecg-tcn 0.3.1 is stale: it is in pyproject.toml"):
        BACKBONES.get("wide")


def test_an_entry_point_that_moved_or_went_away_since_is_stale_too(site, tmp_path):
    both = "[ecg_core.backbones]\ntcn = ecg_tcn.model:TCN\nold = ecg_tcn.gone:TCN\n"
    fix = editable(site, tmp_path, ONE + 'tcn = "ecg_tcn.new:TCN"\n', both)
    assert site.statuses() == {
        "ecg-tcn:old": ("stale", f"it is no longer in pyproject.toml; {fix}"),
        "ecg-tcn:tcn": ("stale", f"it is ecg_tcn.new:TCN in pyproject.toml by now; {fix}"),
    }


@pytest.mark.parametrize(
    "pyproject",
    ["", "[project", '[project]\ndynamic = ["entry-points"]\n', "[build-system]\n", ONE + 'tcn = "ecg_tcn.model:TCN"\n'],
)
def test_a_source_tree_that_agrees_or_cannot_be_judged_is_not_stale(site, tmp_path, pyproject):
    editable(site, tmp_path, pyproject)
    assert site.statuses() == {"ecg-tcn:tcn": ("ok", "")}


def test_metadata_left_behind_by_an_older_version_hides_nothing_and_is_told(site):
    site.install("ecg-tcn", version="0.3.1")
    old = site.folder / "ecg_tcn-0.2.0.egg-info"
    old.mkdir()
    (old / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: ecg-tcn\nVersion: 0.2.0\n\n")
    (old / "entry_points.txt").write_text("[ecg_core.backbones]\nremoved = ecg_tcn.removed:TCN\n")
    assert site.statuses() == {"ecg-tcn:tcn": ("ok", "")}
    assert site.refresh().problems == (
        f"ecg-tcn 0.2.0 has left its metadata in {site.folder} beside 0.3.1; "
        "remove it: pip uninstall ecg-tcn, then install it again",
    )


def test_a_hook_module_has_a_health_of_its_own(site):
    site.install("ecg-tcn", "[ecg_core.plugins]\ngood = ecg_tcn.model\nlost = ecg_tcn.gone\nodd = not a module\n")
    hooks = {c.name: (c.status, c.detail) for c in site.refresh().plugins["ecg-tcn"].hooks}
    assert hooks == {
        "good": ("ok", ""),
        "lost": ("missing", "module ecg_tcn.gone is not found; reinstall ecg-tcn"),
        "odd": ("invalid", "'not a module' is not 'package.module'"),
    }


def test_a_preference_for_somebody_who_ships_no_such_name_is_told(site, monkeypatch):
    site.install("ecg-tcn")
    monkeypatch.setenv("ECG_PREFER", "tcn=ecg-tnc")
    assert site.refresh().problems == ("ECG_PREFER prefers ecg-tnc for 'tcn', which ships nothing of that name",)
    monkeypatch.setenv("ECG_PREFER", "tcn=ecg-tcn")
    assert site.refresh().problems == ()


def test_a_preference_that_cannot_be_read_is_told_and_refused_when_a_name_is_looked_up(site, monkeypatch):
    monkeypatch.setenv("ECG_PREFER", "tcn")
    sentence = "ECG_PREFER expects name=provider pairs separated by commas, such as tcn=ecg-tcn, got 'tcn'"
    assert site.refresh().problems == (sentence,)
    with pytest.raises(ConfigError, match="ECG_PREFER expects name=provider pairs"):
        BACKBONES.get("resnet18")


def test_strict_mode_raises_at_the_first_thing_that_is_wrong_and_reports_still_see_it(site, monkeypatch):
    site.install("ecg-tcn", "[ecg_core.backbones]\na = nowhere:A\nb = nowhere:B\n")
    site.refresh()
    monkeypatch.setenv("ECG_PLUGINS_STRICT", "1")
    sentence = r"ECG_PLUGINS_STRICT is set, and ecg-tcn:a \(backbones\) is missing: .*\(and 1 more: `ecg plugins check`\)"
    with pytest.raises(PluginError, match=sentence):
        BACKBONES.get("resnet18")
    assert "ecg-tcn" in get_index().plugins
    monkeypatch.setenv("ECG_PLUGINS_STRICT", "0")
    assert "ecg-tcn" in get_index().plugins


def test_strict_mode_does_not_mind_what_the_user_has_blocked(site, monkeypatch):
    site.install("ecg-tcn")
    monkeypatch.setenv("ECG_PLUGINS_BLOCK", "ecg-tcn")
    monkeypatch.setenv("ECG_PLUGINS_STRICT", "1")
    assert site.statuses()["ecg-tcn:tcn"][0] == "blocked"
    get_index().insist_on_health()


def test_refresh_sees_what_was_installed_since(site):
    refresh()
    site.install("ecg-tcn")
    assert "tcn" not in BACKBONES
    refresh()
    assert "tcn" in BACKBONES


@pytest.mark.parametrize(
    ("specifier", "version", "admitted"),
    [
        ("~=0.1.2", "0.1.9", True),
        ("~=0.1.2", "0.2.0", False),
        ("~=0.1.2", "0.1.1", False),
        ("!=0.1.3", "0.1.3", False),
        ("!=0.1.3", "0.1.4", True),
        ("==0.1.*", "0.1.9", True),
        ("==0.1.*", "0.2.0", False),
        ("!=0.1.*", "0.1.9", False),
        ("<=0.2", "0.2.0", True),
        (">0.2", "0.2.0", False),
        ("<0.2", "0.10", False),
        (">=0.1,<0.2", "0.1.0.post1", True),
        ("@ https://example.org/x", "0.1", True),
        ("", "0.1", True),
    ],
)
def test_version_ranges_are_those_of_packaging(specifier, version, admitted):
    assert admits(specifier, version) is admitted
    packaging = pytest.importorskip("packaging.specifiers")
    if "@" not in specifier:
        assert (version in packaging.SpecifierSet(specifier)) is admitted


def test_a_pre_release_counts_as_its_release():
    """Whoever works on 0.2 wants the plugins of 0.2; packaging would refuse them until the day of the release."""
    assert admits(">=0.2,<0.3", "0.2.0rc1")
    assert admits(">=0.2,<0.3", "0.2.0.dev3")
    assert not admits("<0.2", "0.2.0rc1")
