"""A saved configuration in a world that moved on: packages that left, grew newer, went back, or were joined by namesakes."""

from __future__ import annotations

import copy
import shutil
import sys
import warnings

import pytest

from ecg_core.config.configurable import Configurable
from ecg_core.discovery.index import get_index
from ecg_core.discovery.provenance import check_entries, current, provenance
from ecg_core.discovery.registries import BACKBONES, HEADS
from ecg_core.discovery.versions import pip_line
from ecg_core.errors import CheckpointError, PluginWarning, ProvenanceWarning, UnknownComponentError

CLASS = (
    "from ecg_core.config.configurable import Configurable\n\n"
    "class TCN(Configurable):\n    def __init__(self, width=8, part=None):\n        self.width, self.part = width, part\n"
)
ENTRY = "[ecg_core.backbones]\ntcn = {package}.model:TCN\n"
HOOKED = ENTRY + "[ecg_core.plugins]\nhooks = {package}.hooks\n"
HEAD = "from ecg_core import hookimpl\n\n@hookimpl\ndef ecg_migrate_config(kind, name, config, from_version):\n"
SAVED = {"kind": "backbones", "name": "tcn", "provider": "ecg-tcn", "version": "0.3.1", "target": "ecg_tcn.model:TCN"}
WHERE = "runs/x/model.json"


class Part(Configurable):
    """A component of this test."""

    def __init__(self, inner: object = None) -> None:
        self.inner = inner


@pytest.fixture(autouse=True)
def nothing_registered_stays():
    with BACKBONES.isolated(), HEADS.isolated():
        yield


@pytest.fixture
def put(site):
    """Install ``ecg-tcn`` (or another) in a version, in place of what was there, with the body of a migration hook."""

    def install(version: str, migration: str = "", provider: str = "ecg-tcn", **more) -> None:
        package = provider.replace("-", "_")
        for old in site.folder.glob(f"{package}*"):
            shutil.rmtree(old)
        modules = {f"{package}/model.py": CLASS}
        if migration:
            modules[f"{package}/hooks.py"] = HEAD + "".join(f"    {line}\n" for line in migration.splitlines())
        entry = (HOOKED if migration else ENTRY).format(package=package)
        site.install(provider, more.pop("entry", entry), modules, version=version, **more)
        for name in [n for n in sys.modules if n.split(".")[0] == package]:
            del sys.modules[name]
        site.refresh()

    return install


def now(config, entries=(SAVED,), kind="backbones"):
    """The configuration today; a warning is an error, as in every test."""
    return current(kind, config, list(entries), WHERE)


def refused(config, entries=(SAVED,), error=UnknownComponentError, kind="backbones") -> str:
    with pytest.raises(error) as caught:
        now(config, entries, kind)
    return str(caught.value)


# ---------------------------------------------------------------------------------------------- writing


def test_every_component_of_a_configuration_is_noted_once_the_outermost_first(put):
    put("0.3.1")
    HEADS.add(Part, "part")
    inner = {"kind": "backbones", "name": "tcn"}
    config = {"name": "part", "inner": [inner, {"deep": {"kind": "backbones", "name": "ecg-tcn:tcn", "part": inner}}]}
    here = {"kind": "heads", "name": "part", "provider": "this process", "version": "", "target": f"{__name__}:Part"}
    found = provenance("heads", config)
    assert found == [here, SAVED, {**SAVED, "name": "ecg-tcn:tcn"}]
    check_entries(found)


@pytest.mark.parametrize(
    "entries", [None, {}, ["tcn"], [{**SAVED, "kind": "commands_"}], [{**SAVED, "version": 3}], [{"kind": "ssl"}]]
)
def test_what_is_no_provenance_is_refused(entries):
    with pytest.raises(ValueError, match="its provenance is a list of kind, name, provider, version, target"):
        check_entries(entries)


# ---------------------------------------------------------------------------------------------- the same version


@pytest.mark.parametrize("version", ["0.3.1", "0.3.0", "0.3.12", "0.3.2rc1", "0.3"])
def test_the_same_minor_version_changes_nothing_and_says_nothing(put, version):
    put(version, "raise RuntimeError('must not be asked')")
    config = {"name": "tcn", "width": 4, "part": {"kind": "backbones", "name": "tcn"}}
    before = copy.deepcopy(config)
    assert now(config) == config == before


def test_a_component_without_provenance_is_left_to_its_name(put):
    put("9.0", "raise RuntimeError('must not be asked')")
    assert now({"name": "tcn", "width": 4}, []) == {"name": "tcn", "width": 4}


# ---------------------------------------------------------------------------------------------- absent


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("0.3.1", "'ecg-tcn>=0.3,<0.4'"), ("2", "'ecg-tcn>=2.0,<2.1'"), ("2024.11", "'ecg-tcn>=2024.11,<2024.12'"),
        ("1.0rc1", "'ecg-tcn==1.0rc1'"), ("0.3.1+cu12", "'ecg-tcn>=0.3,<0.4'"), ("unknown", "'ecg-tcn==unknown'"),
    ],
)  # fmt: skip
def test_an_absent_package_gives_the_line_that_installs_it(site, version, line):
    site.refresh()
    entry = {**SAVED, "version": version}
    said = f"built with ecg-tcn {version}, which is not installed: pip install {line}"
    assert refused({"name": "tcn"}, [entry]) == said
    assert pip_line("ecg-tcn", version) == f"pip install {line}"


def test_an_absent_package_is_named_however_deep_its_component_lies(site):
    site.refresh()
    HEADS.add(Part, "part")
    here = {"kind": "heads", "name": "part", "provider": "this process", "version": "", "target": "m:Part"}
    config = {"name": "part", "inner": [{"a": {"kind": "backbones", "name": "ecg-tcn:tcn"}}]}
    said = "built with ecg-tcn 0.3.1, which is not installed: pip install 'ecg-tcn>=0.3,<0.4'"
    assert refused(config, [here, {**SAVED, "name": "ecg-tcn:tcn"}], kind="heads") == said


def test_a_blocked_package_is_said_to_be_blocked(put, site, monkeypatch):
    monkeypatch.setenv("ECG_PLUGINS_BLOCK", "ecg-tcn")
    put("0.3.1")
    said = "built with ecg-tcn 0.3.1; its backbone 'tcn' is blocked here: by ECG_PLUGINS or ECG_PLUGINS_BLOCK"
    assert refused({"name": "tcn"}) == said


def test_an_incompatible_package_gives_the_line_that_goes_back(put):
    put("0.9.0", requires="Requires-Dist: ecg-core>=99.0")
    core = get_index().plugins["ecg-core"].version
    assert refused({"name": "tcn"}) == (
        f"built with ecg-tcn 0.3.1; its backbone 'tcn' is incompatible here (needs ecg-core >=99.0, installed is {core}): "
        "pip install 'ecg-tcn>=0.3,<0.4'"
    )


def test_a_package_whose_module_is_gone_is_said_to_be_broken(put):
    put("0.3.1", entry="[ecg_core.backbones]\ntcn = ecg_tcn_nowhere.model:TCN\n")
    assert refused({"name": "tcn"}) == (
        "built with ecg-tcn 0.3.1; its backbone 'tcn' is missing here: module ecg_tcn_nowhere.model is not found; "
        "reinstall ecg-tcn"
    )


def test_a_package_that_no_longer_ships_the_component_gives_the_line_that_goes_back(put):
    put("0.9.0", entry="[ecg_core.backbones]\nother = ecg_tcn.model:TCN\n")
    assert refused({"name": "tcn"}) == (
        "built with ecg-tcn 0.3.1; its backbone 'tcn' is not in the installed ecg-tcn 0.9.0: pip install 'ecg-tcn>=0.3,<0.4'"
    )


@pytest.mark.parametrize(
    ("target", "todo"),
    [("my_models:Net", "import that module first: import my_models"), ("__main__:Net", "define and register it again first")],
)
def test_a_class_of_another_process_is_named_with_what_to_do(target, todo):
    entry = {**SAVED, "name": "net", "provider": "this process", "version": "", "target": target}
    assert refused({"name": "net"}, [entry]) == f"the backbone 'net' was registered by {target}; {todo}"


# ---------------------------------------------------------------------------------------------- somebody else's component


def test_a_namesake_of_another_package_is_never_taken_for_the_one_that_was_saved(put):
    put("0.3.1", provider="ecg-x")
    assert BACKBONES.describe("tcn").provider == "ecg-x"
    assert "built with ecg-tcn 0.3.1, which is not installed" in refused({"name": "tcn"})


def test_a_name_that_two_packages_ship_by_now_still_leads_to_the_one_that_was_saved(put):
    put("0.3.1")
    put("0.3.1", provider="ecg-x")
    assert now({"name": "tcn", "width": 3}) == {"name": "ecg-tcn:tcn", "width": 3}
    assert type(BACKBONES.build(now({"name": "tcn"}))).__module__ == "ecg_tcn.model"


def test_a_preference_of_today_does_not_replace_what_was_saved(put, monkeypatch):
    put("0.3.1")
    monkeypatch.setenv("ECG_PREFER", "tcn=ecg-x")
    put("0.3.1", provider="ecg-x")
    assert now({"name": "tcn"}) == {"name": "ecg-tcn:tcn"}


def test_a_class_registered_in_this_process_stands_in_for_an_absent_package(site):
    site.refresh()
    BACKBONES.add(Part, "tcn")
    assert now({"name": "tcn"}) == {"name": "tcn"}


def test_a_package_stands_in_for_a_class_that_was_once_of_a_script(put):
    put("5.0", "raise RuntimeError('must not be asked')")
    entry = {**SAVED, "provider": "this process", "version": "", "target": "__main__:TCN"}
    assert now({"name": "tcn"}, [entry]) == {"name": "tcn"}


def test_a_component_may_move_between_packages_of_ours():
    entry = {**SAVED, "name": "resnet18", "provider": "ecg-core", "version": get_index().plugins["ecg-backbones"].version}
    assert now({"name": "resnet18"}, [entry]) == {"name": "resnet18"}


# ---------------------------------------------------------------------------------------------- another version


@pytest.mark.parametrize(
    ("version", "age"), [("0.4.0", "newer"), ("0.10.0", "newer"), ("1.0", "newer"), ("0.2.9", "older"), ("0.0", "older")]
)
def test_another_minor_version_is_a_warning_that_says_both_and_the_way_back(put, version, age):
    put(version)
    with pytest.warns(ProvenanceWarning) as caught:
        assert now({"name": "tcn", "part": {"kind": "backbones", "name": "tcn"}}) == {
            "name": "tcn",
            "part": {"kind": "backbones", "name": "tcn"},
        }
    assert [str(w.message) for w in caught] == [  # once, though it has two components of the package
        f"{WHERE} was saved with ecg-tcn 0.3.1, and the ecg-tcn {version} installed here is {age}: results may differ; "
        "for those of then, pip install 'ecg-tcn>=0.3,<0.4'"
    ]


def test_packages_of_ours_are_held_to_the_same():
    here = get_index().plugins["ecg-backbones"].version
    entry = {**SAVED, "name": "resnet18", "provider": "ecg-backbones", "version": "0.0.9"}
    with pytest.warns(ProvenanceWarning, match=rf"saved with ecg-backbones 0\.0\.9, and the ecg-backbones {here} installed here"):
        now({"name": "resnet18"}, [entry])


def migrated(config, entries=(SAVED,), kind="backbones"):
    with pytest.warns(ProvenanceWarning):
        return now(config, entries, kind)


def test_a_newer_package_brings_its_own_configuration_up_to_date(put):
    put("0.5.0", "config = dict(config)\nconfig['width'] = config.pop('channels') * 2\nreturn config")
    config = {"name": "tcn", "channels": 3}
    assert migrated(config) == {"name": "tcn", "width": 6}
    assert config == {"name": "tcn", "channels": 3}
    assert BACKBONES.build(migrated(config)).width == 6


def test_the_hook_is_told_kind_plain_name_and_version(put):
    put("0.5.0", "return {**config, 'width': [kind, name, from_version, sorted(config)]}")
    entry = {**SAVED, "name": "ecg-tcn:tcn"}
    found = migrated({"name": "ecg-tcn:tcn", "part": None}, [entry])
    assert found == {"name": "ecg-tcn:tcn", "part": None, "width": ["backbones", "tcn", "0.3.1", ["name", "part"]]}


def test_the_innermost_component_is_migrated_first(put):
    put("0.5.0", "inner = config.get('part')\nreturn {**config, 'width': 1 + (inner['width'] if inner else 0)}")
    config = {"name": "tcn", "part": {"kind": "backbones", "name": "tcn", "part": {"kind": "backbones", "name": "tcn"}}}
    found = migrated(config)
    assert (found["width"], found["part"]["width"], found["part"]["part"]["width"]) == (3, 2, 1)
    assert found["part"]["kind"] == "backbones"
    assert BACKBONES.build(found).part.part.width == 1


def test_components_of_others_inside_are_migrated_though_the_outer_one_is_not(put):
    put("0.5.0", "return {**config, 'width': 5}")
    HEADS.add(Part, "part")
    here = {"kind": "heads", "name": "part", "provider": "this process", "version": "", "target": "m:Part"}
    config = {"name": "part", "inner": [{"kind": "backbones", "name": "tcn"}]}
    found = migrated(config, [here, SAVED], "heads")
    assert found == {"name": "part", "inner": [{"kind": "backbones", "name": "tcn", "width": 5}]}


def test_no_other_package_is_asked(put):
    put("0.5.0", "return {**config, 'width': 5}")
    put(
        "0.5.0",
        "return {**config, 'width': 'hijacked'}",
        provider="ecg-x",
        entry=HOOKED.format(package="ecg_x").replace("tcn =", "z ="),
    )
    assert migrated({"name": "tcn"}) == {"name": "tcn", "width": 5}


def test_a_hook_that_leaves_the_configuration_alone_leaves_it_alone(put):
    put("0.5.0", "return None")
    assert migrated({"name": "tcn", "width": 3}) == {"name": "tcn", "width": 3}


def test_an_older_package_is_not_asked(put):
    put("0.2.0", "raise RuntimeError('must not be asked')")
    assert migrated({"name": "tcn"}) == {"name": "tcn"}


def test_a_component_that_was_renamed_takes_its_new_name(put):
    put(
        "0.5.0",
        "return {**config, 'name': 'tcn2'}",
        entry=HOOKED.format(package="ecg_tcn") + "[ecg_core.backbones]\ntcn2 = ecg_tcn.model:TCN\n",
    )
    assert migrated({"name": "tcn", "width": 3}) == {"name": "tcn2", "width": 3}


@pytest.mark.parametrize(
    ("migration", "said"),
    [
        ("raise KeyError('channels')", "ecg_migrate_config of ecg_tcn.hooks failed: KeyError: 'channels'"),
        ("raise SystemExit(3)", "ecg_migrate_config of ecg_tcn.hooks failed: SystemExit: 3"),
        ("return 3", "it gave a int, expected the new configuration as a mapping, or None"),
        ("return {'width': len}", "tcn.width: builtin_function_or_method cannot be written to a configuration"),
        ("return {'part': {'kind': 'commands', 'name': 'demo'}}", "it names a component of kind 'commands'"),
        ("return {'kind': 'heads', 'name': 'linear'}", "it made one of 'heads' of it"),
        ("return {'name': 3}", "it made one of 3 of it"),
        ("config['part']['width'] = 9", "TypeError: 'NoneType' object does not support item assignment"),
        ("config['width'] = 9", "'mappingproxy' object does not support item assignment"),
    ],
)
def test_a_migration_that_fails_stops_the_loading_and_names_the_package_and_the_way_back(put, migration, said):
    put("0.5.0", migration)
    config = {"name": "tcn", "part": None}
    for _ in range(2):  # and the second time just the same
        with pytest.warns(ProvenanceWarning):
            message = refused(config, error=CheckpointError)
        head = f"{WHERE}: ecg-tcn 0.5.0 could not bring the configuration of its backbone 'tcn' up to date ("
        assert message.startswith(head)
        assert said in message
        assert message.endswith("); pip install 'ecg-tcn>=0.3,<0.4'")
    assert config == {"name": "tcn", "part": None}


def test_a_hook_cannot_change_what_lies_inside_the_saved_configuration(put):
    put("0.5.0", "config['part']['width'] = 9\nreturn None")
    config = {"name": "tcn", "part": {"width": 1}}
    assert migrated(config) == config == {"name": "tcn", "part": {"width": 1}}


def test_a_hook_module_that_cannot_be_imported_is_told_and_the_configuration_is_tried_as_it_is(put):
    put("0.5.0", "return None\nimport (")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert now({"name": "tcn", "width": 3}) == {"name": "tcn", "width": 3}
    assert {w.category for w in caught} == {ProvenanceWarning, PluginWarning}
