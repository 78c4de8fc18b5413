"""Hooks: each is called as its manual says, apart from the other plugins, and a wrong one is told with the right name."""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from pathlib import Path

import pytest

from ecg_core.discovery import hooks
from ecg_core.discovery.hook_problems import hook_problems
from ecg_core.discovery.hooks import HOOK_NAMES, Alias, Diagnostic, RunEvent
from ecg_core.discovery.manager import PluginManager, plugin_manager
from ecg_core.discovery.registries import BACKBONES
from ecg_core.errors import PluginWarning, UnknownComponentError

HEAD = "from ecg_core import Alias, Diagnostic, hookimpl\n"
ENTRY = "[ecg_core.plugins]\nhooks = {module}\n"


def install(site, source: str, provider: str = "ecg-x", more: str = "") -> None:
    """A distribution whose hook module has this source."""
    module = provider.replace("-", "_") + "_hooks"
    entry_points = ENTRY.format(module=f"{module}.hooks") + more
    site.install(provider, entry_points, {f"{module}/hooks.py": HEAD + source})


def loaded(site) -> PluginManager:
    """The manager over what is installed now; what goes wrong is looked at in its failures."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        return PluginManager(site.refresh()).load()


def strangers(found: list) -> list:
    """Answers of packages that are not ours."""
    return [(hook.provider, answer) for hook, answer in found if hook.provider.startswith("ecg-x")]


DYNAMIC = '@hookimpl\ndef ecg_register_components(register):\n    register("backbones", "tcn_9", "ecg_tcn.model:TCN")\n'


def test_a_component_named_at_run_time_is_found_after_a_miss_and_by_its_full_name(site):
    site.install("ecg-tcn")
    install(site, DYNAMIC)
    site.refresh()
    assert BACKBONES.get("tcn-9").__name__ == "TCN"
    assert BACKBONES.get("ecg-x:tcn_9") is BACKBONES.get("TCN9")
    described = BACKBONES.describe("tcn_9")
    assert (described.provider, described.version, described.qualified) == ("ecg-x", "0.3.1", "ecg-x:tcn_9")


def test_a_component_named_at_run_time_can_take_no_installed_name(site):
    install(
        site, '@hookimpl\ndef ecg_register_components(register):\n    register("backbones", "resnet18", "ecg_tcn.model:TCN")\n'
    )
    site.install("ecg-tcn")
    site.refresh()
    assert BACKBONES.describe("resnet18").provider == "ecg-backbones"
    assert BACKBONES.describe("ecg-x:resnet18").target == "ecg_tcn.model:TCN"


def test_of_a_hook_that_registers_and_then_raises_nothing_is_kept(site):
    install(site, DYNAMIC + '    register("backbones", "b", "ecg_tcn.model:TCN")\n    raise RuntimeError("half-way")\n')
    site.install("ecg-tcn")
    manager = loaded(site)
    with pytest.warns(PluginWarning):
        assert [c for c in manager.registered() if c.provider == "ecg-x"] == []
    assert "RuntimeError: half-way" in str(manager.failures["ecg-x:hooks", "ecg_register_components"])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('register("backbone", "b", "m:B")', "'backbone' is none of backbones, models, ssl"),
        ('register("backbones", "b", "m")', "'m' is not 'module:Class'"),
        ('register("backbones", "x:b", "m:B")', "'x:b' cannot be a name"),
        ("register(1)", "missing 2 required positional arguments"),
    ],
)
def test_a_wrong_registration_says_what_is_wrong_with_it(site, call, said):
    install(site, f"@hookimpl\ndef ecg_register_components(register):\n    {call}\n")
    manager = loaded(site)
    with pytest.warns(PluginWarning):
        assert [c for c in manager.registered() if c.provider == "ecg-x"] == []
    assert said in str(manager.failures["ecg-x:hooks", "ecg_register_components"])


RENAMED = '@hookimpl\ndef ecg_aliases():\n    yield Alias("backbones", "old_tcn", "tcn", since="0.3", remove_in="0.5")\n'


def test_an_old_name_works_and_warns_once_at_the_callers_line(site):
    site.install("ecg-tcn")
    install(site, RENAMED)
    site.refresh()
    BACKBONES._warned.clear()
    with pytest.warns(FutureWarning) as told:
        assert BACKBONES.get("Old-TCN") is BACKBONES.get("tcn")
        assert BACKBONES.get("old_tcn") is BACKBONES.get("ecg-x:old_tcn")
    assert [str(w.message) for w in told] == [
        "the backbone 'old_tcn' is called 'tcn' since ecg-x 0.3; the old name goes away in 0.5, write 'tcn'"
    ]
    assert told[0].filename == __file__


def test_an_old_name_is_not_listed_and_its_new_name_is_what_a_configuration_holds(site):
    site.install("ecg-tcn")
    install(site, RENAMED)
    site.refresh()
    assert "old_tcn" not in BACKBONES.names()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        assert BACKBONES.describe("old_tcn").name == "tcn"


def test_an_old_name_cannot_lead_to_another_old_name(site):
    install(site, RENAMED.replace('"old_tcn", "tcn"', '"a", "b"'))
    install(site, RENAMED.replace('"old_tcn", "tcn"', '"b", "a"'), provider="ecg-x-more")
    site.refresh()
    with warnings.catch_warnings(), pytest.raises(UnknownComponentError, match="no backbone named 'b'"):
        warnings.simplefilter("ignore", FutureWarning)
        BACKBONES.get("a")


def test_two_strangers_who_rename_the_same_name_differently_are_both_named(site):
    site.install("ecg-tcn")
    install(site, RENAMED)
    install(site, RENAMED.replace('"tcn"', '"resnet18"'), provider="ecg-x-more")
    site.refresh()
    with pytest.raises(
        LookupError, match=r"'old_tcn' is an old name by several plugins: ecg-x \('tcn'\), ecg-x-more \('resnet18'\)"
    ):
        BACKBONES.get("old_tcn")


def test_no_old_name_of_ours_outlives_the_version_that_removes_it():
    from ecg_core.discovery.versions import numbers

    overdue = [
        alias
        for hook, alias in plugin_manager().aliases()
        if hook.provider.startswith("ecg-") and numbers(hook.version) >= numbers(alias.remove_in)
    ]
    assert overdue == []


def test_doctor_is_told_what_plugins_know(site):
    install(site, '@hookimpl\ndef ecg_doctor():\n    return [Diagnostic("note", "no pedals")]\n')
    assert strangers(loaded(site).diagnostics()) == [("ecg-x", Diagnostic("note", "no pedals"))]


def test_a_run_event_reaches_every_plugin_and_a_broken_one_stops_nobody(site):
    listen = "heard = []\n\n@hookimpl\ndef ecg_run_event(run, event):\n    heard.append((run, event.name))\n"
    install(site, listen)
    install(site, "@hookimpl\ndef ecg_run_event(event):\n    raise SystemExit(3)\n", provider="ecg-x-a")
    manager = loaded(site)
    assert manager.listens("ecg_run_event")
    with pytest.warns(PluginWarning, match="ecg-x-a 0.3.1: ecg_run_event of ecg_x_a_hooks.hooks failed: SystemExit: 3") as told:
        for name in ("start", "end"):
            manager.run_event("the run", RunEvent(name, 0, 0))
    assert len(told) == 1  # told once, not at every step
    assert sys.modules["ecg_x_hooks.hooks"].heard == [("the run", "start"), ("the run", "end")]


MIGRATE = (
    "@hookimpl\ndef ecg_migrate_config(kind, name, config, from_version):\n"
    "    return {**config, 'by': '{provider}', 'from': from_version, 'of': kind + '/' + name}\n"
)


def test_only_the_provider_of_a_component_may_migrate_its_configuration(site):
    for provider in ("ecg-x", "ecg-x-more"):
        install(site, MIGRATE.replace("{provider}", provider), provider=provider)
    before = {"name": "tcn", "width": 8}
    after = loaded(site).migrate_config("ECG_X", "backbones", "tcn", before, "0.2.0")
    assert after == {"name": "tcn", "width": 8, "by": "ecg-x", "from": "0.2.0", "of": "backbones/tcn"}
    assert before == {"name": "tcn", "width": 8}
    assert loaded(site).migrate_config("ecg-none", "backbones", "tcn", before, "0.2.0") is None


def test_a_migration_that_leaves_things_alone_raises_or_gives_nonsense_changes_nothing(site):
    install(site, "@hookimpl\ndef ecg_migrate_config():\n    return None\n")
    install(site, "@hookimpl\ndef ecg_migrate_config(config):\n    config['width'] = 9\n", provider="ecg-x-b")
    install(site, "@hookimpl\ndef ecg_migrate_config(config):\n    return 3\n", provider="ecg-x-c")
    manager = loaded(site)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        for provider in ("ecg-x", "ecg-x-b", "ecg-x-c"):
            assert manager.migrate_config(provider, "backbones", "tcn", {"width": 8}, "0.2") is None
    assert "does not support item assignment" in str(manager.failures["ecg-x-b:hooks", "ecg_migrate_config"])
    assert "it gave a int, expected the new configuration as a mapping" in str(
        manager.failures["ecg-x-c:hooks", "ecg_migrate_config"]
    )


WRONG = {
    "misspelt": (
        "@hookimpl\ndef ecg_aliasses():\n    return []\n",
        "there is no hook 'ecg_aliasses'. Did you mean 'ecg_aliases'?",
    ),
    "far off": (
        "@hookimpl\ndef zzz():\n    return []\n",
        "there is no hook 'zzz'. The hooks are ecg_register_components, ecg_aliases",
    ),
    "misspelt by specname": (
        "@hookimpl(specname='ecg_doktor')\ndef f():\n    return []\n",
        "there is no hook 'ecg_doktor'. Did you mean 'ecg_doctor'?",
    ),
    "wrong argument": (
        "@hookimpl\ndef ecg_run_event(run, evnt):\n    pass\n",
        "ecg_run_event takes 'evnt', which this hook does not have; did you mean 'event'?",
    ),
    "far-off argument": (
        "@hookimpl\ndef ecg_run_event(trainer):\n    pass\n",
        "ecg_run_event takes 'trainer', which this hook does not have; its arguments can be (run, event)",
    ),
    "open arguments": (
        "@hookimpl\ndef ecg_run_event(**words):\n    pass\n",
        "ecg_run_event takes '**words', which pluggy never fills; its arguments can be (run, event)",
    ),
    "unmarked": (
        "def ecg_doctor():\n    return []\n",
        "ecg_doctor is not marked, so it would never be called; put @hookimpl above it",
    ),
    "wrapper": (
        "@hookimpl(wrapper=True)\ndef ecg_doctor():\n    return (yield)\n",
        "ecg_doctor is a wrapper; these hooks are called one plugin at a time and have nothing to wrap",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_hook_is_told_with_the_right_one_and_its_module_is_left_out_as_a_whole(site, case):
    source, said = WRONG[case]
    install(site, source + RENAMED)
    with pytest.warns(PluginWarning, match=r"Everything else works on; `ecg plugins check` tells more\."):
        manager = PluginManager(site.refresh()).load()
    failure = manager.failures["ecg-x:hooks", "declare"]
    assert said in failure.message
    assert str(failure).startswith("ecg-x 0.3.1: hook module ecg_x_hooks.hooks is left out: ")
    assert not manager.has_plugin("ecg-x:hooks")
    assert strangers(manager.aliases()) == []


def test_a_sound_module_has_no_problems(site):
    install(site, RENAMED + DYNAMIC + "from ecg_core.discovery.hooks import ecg_doctor\ndef ecg_something_of_mine():\n    pass\n")
    manager = loaded(site)
    assert manager.has_plugin("ecg-x:hooks")
    assert hook_problems(sys.modules["ecg_x_hooks.hooks"]) == []


@pytest.mark.parametrize("source", ["raise RuntimeError('boom')\n", "raise SystemExit(0)\n", "import ecg_x_absent\n", "def (:\n"])
def test_a_hook_module_that_cannot_be_imported_costs_only_itself(site, source):
    install(site, source)
    install(site, RENAMED, provider="ecg-x-good")
    manager = loaded(site)
    assert manager.failures["ecg-x:hooks", "import"].message.startswith("hook module ecg_x_hooks.hooks failed to import: ")
    assert [provider for provider, _ in strangers(manager.aliases())] == ["ecg-x-good"]


def test_an_answer_of_another_type_and_a_generator_that_raises_late_cost_only_their_own(site):
    install(site, "@hookimpl\ndef ecg_aliases():\n    return ['old']\n", provider="ecg-x-a")
    late = RENAMED + "    raise StopIteration\n"
    install(site, late, provider="ecg-x-b")
    install(site, RENAMED, provider="ecg-x-c")
    manager = loaded(site)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        assert [provider for provider, _ in strangers(manager.aliases())] == ["ecg-x-c"]
    assert "TypeError: it gave a str, expected Alias" in str(manager.failures["ecg-x-a:hooks", "ecg_aliases"])
    assert "RuntimeError: generator raised StopIteration" in str(manager.failures["ecg-x-b:hooks", "ecg_aliases"])


def test_plugins_are_called_in_the_order_of_their_names_however_they_were_installed(site):
    for provider in ("ecg-x-c", "ecg-x-a", "ecg-x-b"):
        install(site, RENAMED, provider=provider)
    assert [provider for provider, _ in strangers(loaded(site).aliases())] == ["ecg-x-a", "ecg-x-b", "ecg-x-c"]


def test_a_package_with_two_hook_modules_is_asked_through_both(site):
    more = "\nmore = ecg_x_hooks.more\n"
    install(site, RENAMED, more=more)
    (site.folder / "ecg_x_hooks" / "more.py").write_text(HEAD + RENAMED.replace("old_tcn", "older_tcn"))
    assert [alias.old for _, alias in strangers(loaded(site).aliases())] == ["old_tcn", "older_tcn"]


def test_a_blocked_or_incompatible_plugin_is_not_imported_for_its_hooks(site, monkeypatch):
    install(site, "raise RuntimeError('imported')\n")
    monkeypatch.setenv("ECG_PLUGINS_BLOCK", "ecg-x")
    manager = loaded(site)
    assert not manager.failures
    assert {hook.status for hook in manager.index.hooks() if hook.provider == "ecg-x"} == {"blocked"}


def test_the_manager_is_made_anew_when_the_index_is(site):
    before = plugin_manager()
    assert plugin_manager() is before
    site.refresh()
    assert plugin_manager() is not before


def test_a_found_name_never_loads_a_hook_module(site):
    site.install("ecg-tcn")
    install(site, "raise RuntimeError('imported')\n")
    site.refresh()
    assert BACKBONES.get("tcn").__name__ == "TCN"
    assert "ecg_x_hooks.hooks" not in sys.modules


def test_every_hook_has_a_heading_with_its_exact_signature_in_the_manual():
    page = (Path(__file__).parents[4] / "docs" / "hooks.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### `(.+)`$", page, flags=re.MULTILINE)
    signatures = []
    for name in HOOK_NAMES:
        signature = inspect.signature(getattr(hooks, name))
        words = ", ".join(f"{p.name}: {p.annotation}" for p in signature.parameters.values())
        signatures.append(f"{name}({words}) -> {signature.return_annotation}")
    assert headings == signatures


def test_every_specification_is_a_hook_and_has_a_name():
    marked = [name for name in dir(hooks) if hasattr(getattr(hooks, name), "ecg_core_spec")]
    assert sorted(HOOK_NAMES) == marked
    assert {Alias, Diagnostic, RunEvent} <= {getattr(hooks, name) for name in hooks.__all__}
