"""Configurations of components: every object a registry can build, its name the shortest that leads back, every place named."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from ecg_core.config.configurable import Configurable, Variant
from ecg_core.discovery.registries import BACKBONES, COMMANDS, HEADS, LOSSES, OPTIMIZERS, TRANSFORMS
from ecg_core.errors import ConfigError

CLASS = (
    "from ecg_core.config.configurable import Configurable\n\n"
    "class TCN(Configurable):\n    def __init__(self, width=8, part=None):\n        self.width, self.part = width, part\n"
)
TWO = "[ecg_core.backbones]\ntcn = ecg_{x}.model:TCN\n"


class Part(Configurable):
    """A component of this test."""

    def __init__(self, width: int = 4, parts: object = (), **more: object) -> None:
        self.width, self.parts, self.more = width, parts, more


class Foreign:
    """A class that knows nothing of configurations, as those of torch."""

    def __init__(self, size=1, /, *, sizes=()):
        self.made_of = (size, list(sizes))
        if isinstance(sizes, list):
            sizes.append("changed")


def halved(size: int, *, by: float = 2.0) -> Foreign:
    """A function that builds."""
    return Foreign(size // int(by))


@pytest.fixture(autouse=True)
def nothing_registered_stays():
    with BACKBONES.isolated(), TRANSFORMS.isolated(), HEADS.isolated(), LOSSES.isolated(), COMMANDS.isolated():
        yield


def through_json(config):
    return json.loads(json.dumps(config))


# ---------------------------------------------------------------------------------------------- objects of other classes


def test_what_the_registry_built_is_remembered_though_its_class_knows_nothing_of_it():
    LOSSES.add(Foreign, "foreign")
    made = LOSSES.build("foreign", size=3, sizes=[1, 2])
    assert made.made_of == (3, [1, 2])
    assert LOSSES.to_config(made) == {"name": "foreign", "size": 3, "sizes": [1, 2]}
    assert LOSSES.build(through_json(LOSSES.to_config(made))).made_of == (3, [1, 2])


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_it_is_remembered_by_copies_too(again):
    LOSSES.add(Foreign, "foreign")
    LOSSES.add(lambda: Foreign(7), "seven")
    assert LOSSES.to_config(again(LOSSES.build("foreign", size=3))) == {"name": "foreign", "size": 3}
    assert LOSSES.to_config(again(LOSSES.build("seven"))) == {"name": "seven"}  # though a lambda cannot be pickled


def test_a_function_that_builds_is_what_its_product_is_configured_as():
    LOSSES.add(halved, "halved")
    config = LOSSES.to_config(LOSSES.build("halved", size=8))
    assert config == {"name": "halved", "size": 8}
    assert LOSSES.build(config).made_of == (4, [])


def test_a_variant_of_a_class_of_torch_is_configured_by_its_name():
    torch = pytest.importorskip("torch")
    LOSSES.add(Variant(torch.nn.CrossEntropyLoss, {"label_smoothing": 0.1}), "smooth")
    made = LOSSES.build("smooth", reduction="sum")
    assert LOSSES.to_config(made) == {"name": "smooth", "reduction": "sum"}
    assert LOSSES.build(LOSSES.to_config(made)).label_smoothing == 0.1


def test_what_a_run_supplies_to_an_optimizer_is_in_no_configuration():
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(2, 1)
    made = OPTIMIZERS.build("adamw", params=layer.parameters(), lr=0.01, betas=(0.9, 0.95))
    config = through_json(OPTIMIZERS.to_config(made))
    assert config == {"name": "adamw", "lr": 0.01, "betas": [0.9, 0.95]}
    assert OPTIMIZERS.build(config, params=layer.parameters()).defaults["lr"] == 0.01


def test_an_object_built_past_the_registry_says_how_to_build_it():
    torch = pytest.importorskip("torch")
    with pytest.raises(ConfigError) as caught:
        LOSSES.to_config(torch.nn.CrossEntropyLoss())
    assert str(caught.value) == (
        "losses: nobody noted how this CrossEntropyLoss was made: it does not derive from Configurable, and no registry built "
        "it; build it by its name, or derive its class from ecg_core.Configurable"
    )


def test_an_object_without_room_for_notes_is_built_all_the_same():
    LOSSES.add(int, "integer")
    assert LOSSES.build("integer") == 0
    with pytest.raises(ConfigError, match="nobody noted how this int was made"):
        LOSSES.to_config(LOSSES.build("integer"))


def test_an_object_of_another_class_inside_a_component_is_written_with_its_kind():
    BACKBONES.add(Part, "part")
    LOSSES.add(Foreign, "foreign")
    config = BACKBONES.to_config(Part(parts=[LOSSES.build("foreign", size=3)]))
    assert config == {"name": "part", "parts": [{"kind": "losses", "name": "foreign", "size": 3}]}
    assert BACKBONES.build(through_json(config)).parts[0].made_of == (3, [])


def test_a_compiled_module_is_configured_as_what_it_stands_for():
    torch = pytest.importorskip("torch")

    class Net(Configurable, torch.nn.Module):
        def __init__(self, width=3, inner=None):
            super().__init__()

    BACKBONES.add(Net, "net")
    compiled = torch.compile(Net(width=5), backend="eager")
    assert BACKBONES.to_config(compiled) == {"name": "net", "width": 5}
    assert BACKBONES.to_config(Net(inner=compiled))["inner"] == {"kind": "backbones", "name": "net", "width": 5}


# ---------------------------------------------------------------------------------------------- how arguments are given


def test_arguments_by_position_come_back_by_position():
    class Positional(Configurable):
        def __init__(self, a, b=2, /, *rest, key=0):
            self.made_of = (a, b, rest, key)

    BACKBONES.add(Positional, "positional")
    for made in (Positional(1), Positional(1, 5), Positional(1, 5, 6, 7, key=8)):
        config = through_json(BACKBONES.to_config(made))
        assert BACKBONES.build(config).made_of == made.made_of
        assert BACKBONES.to_config(BACKBONES.build(config)) == config


def test_open_keywords_come_back_one_by_one():
    BACKBONES.add(Part, "part")
    config = through_json(BACKBONES.to_config(Part(width=1, rate=0.5, deep=[1])))
    assert config == {"name": "part", "width": 1, "rate": 0.5, "deep": [1]}
    assert BACKBONES.build(config).more == {"rate": 0.5, "deep": [1]}


def test_one_name_with_two_values_is_refused_rather_than_one_of_them_lost():
    class Twice(Configurable):
        def __init__(self, a, /, **more): ...

    BACKBONES.add(Twice, "twice")
    assert BACKBONES.to_config(Twice(1, b=2)) == {"name": "twice", "a": 1, "b": 2}
    with pytest.raises(ConfigError, match=r"twice\.\*\*more: one name has two values, by position and by keyword; rename one"):
        BACKBONES.to_config(Twice(1, a=2))


@pytest.mark.parametrize("word", ["name", "kind"])
@pytest.mark.parametrize("derived", [Configurable, object])
def test_an_argument_called_like_a_word_of_configurations_is_refused(word, derived):
    scope = {}
    exec(f"def __init__(self, width=1, *, {word}=None): ...", scope)
    cls = type("Taken", (derived,), {"__init__": scope["__init__"], "__module__": __name__})
    BACKBONES.add(cls, "taken")
    with pytest.raises(ConfigError) as caught:
        BACKBONES.build("taken")
    assert str(caught.value) == (
        f"backbones 'taken' ({__name__}:Taken) has an argument called '{word}', a word that configurations need for themselves; "
        "give the argument another name"
    )


# ---------------------------------------------------------------------------------------------- places


def test_an_argument_is_named_by_its_whole_way_down():
    BACKBONES.add(Part, "part")
    TRANSFORMS.add(Variant(Part, {"width": 9}), "wide")
    wrong = {"part.parts[2].parts.deep[0].noise": lambda: None}
    inner = TRANSFORMS.build("wide", parts={"deep": [TRANSFORMS.build("wide", noise=lambda: None)]})
    with pytest.raises(ConfigError) as caught:
        BACKBONES.to_config(Part(parts=[1, 2, inner]))
    assert str(caught.value) == (
        f"{next(iter(wrong))}: function cannot be written to a configuration; "
        "pass numbers, strings, lists, dictionaries or registered components"
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), r"part\.width: nan cannot be written to a configuration, since JSON has no such number"),
        ([Part], r"part\.width\[0\]: ABCMeta cannot be written"),
        (
            {"kind": "spaceships", "name": "x"},
            r"part\.width: a dictionary with 'kind' and 'name' is a component, and 'spaceships'",
        ),
    ],
)
def test_what_cannot_be_written_is_refused_at_its_place(value, message):
    BACKBONES.add(Part, "part")
    with pytest.raises(ConfigError, match=message):
        BACKBONES.to_config(Part(width=value))


def test_facts_that_only_look_like_a_component_are_facts():
    BACKBONES.add(Part, "part")
    config = {"name": "part", "parts": {"kind": 3, "name": "x"}}
    assert BACKBONES.to_config(BACKBONES.build(config)) == config


def test_a_default_that_no_configuration_can_hold_does_not_matter_until_it_is_replaced():
    BACKBONES.add(Variant(Part, {"parts": len, "width": 9}), "odd")
    assert BACKBONES.to_config(BACKBONES.build("odd", width=3)) == {"name": "odd", "width": 3}
    with pytest.raises(ConfigError, match=r"odd\.parts: builtin_function_or_method cannot be written"):
        BACKBONES.to_config(BACKBONES.build("odd", parts=max))


# ---------------------------------------------------------------------------------------------- names


def test_a_name_two_packages_ship_is_written_in_full_and_only_then(site):
    site.install("ecg-tcn", TWO.format(x="tcn"), {"ecg_tcn/model.py": CLASS})
    site.refresh()
    made = BACKBONES.build("tcn", width=3)
    assert BACKBONES.to_config(made) == {"name": "tcn", "width": 3}
    site.install("ecg-x", TWO.format(x="x"), {"ecg_x/model.py": CLASS})
    site.refresh()
    assert BACKBONES.to_config(made) == {"name": "ecg-tcn:tcn", "width": 3}
    assert type(BACKBONES.build(BACKBONES.to_config(made))) is type(made)


def test_a_name_the_user_gave_to_another_package_is_written_in_full(site, monkeypatch):
    for x in ("tcn", "x"):
        site.install(f"ecg-{x}", TWO.format(x=x), {f"ecg_{x}/model.py": CLASS})
    monkeypatch.setenv("ECG_PREFER", "tcn=ecg-x")
    site.refresh()
    preferred, other = BACKBONES.build("tcn"), BACKBONES.build("ecg-tcn:tcn")
    assert BACKBONES.to_config(preferred) == {"name": "tcn"}
    assert BACKBONES.to_config(other) == {"name": "ecg-tcn:tcn"}


def test_names_in_full_work_inside_components_too(site):
    for x in ("tcn", "x"):
        site.install(f"ecg-{x}", TWO.format(x=x), {f"ecg_{x}/model.py": CLASS})
    site.refresh()
    spec = {"name": "ecg-x:tcn", "part": {"kind": "backbones", "name": "ecg-tcn:TCN", "width": 2}}
    made = BACKBONES.build(spec)
    assert (type(made).__module__, type(made.part).__module__) == ("ecg_x.model", "ecg_tcn.model")
    config = BACKBONES.to_config(made)
    assert config == {"name": "ecg-x:tcn", "part": {"kind": "backbones", "name": "ecg-tcn:tcn", "width": 2}}
    assert BACKBONES.to_config(BACKBONES.build(through_json(config))) == config


def test_a_foreign_class_of_a_package_is_written_by_the_name_that_leads_back(site):
    source = "class TCN:\n    def __init__(self, width=8): self.width = width\n"
    site.install("ecg-tcn", TWO.format(x="tcn"), {"ecg_tcn/model.py": source})
    site.refresh()
    made = BACKBONES.build("TCN", width=3)
    assert BACKBONES.to_config(made) == {"name": "tcn", "width": 3}
    site.install("ecg-x", TWO.format(x="x"), {"ecg_x/model.py": source})
    site.refresh()
    assert BACKBONES.to_config(made) == {"name": "ecg-tcn:tcn", "width": 3}


def test_a_component_named_at_run_time_is_written_by_that_name(site):
    hook = (
        "from ecg_core import hookimpl\n\n@hookimpl\ndef ecg_register_components(register):\n"
        "    register('backbones', 'tcn_9', 'ecg_tcn.model:TCN')\n"
    )
    modules = {"ecg_tcn/model.py": CLASS, "ecg_tcn/hooks.py": hook}
    site.install("ecg-tcn", "[ecg_core.plugins]\nhooks = ecg_tcn.hooks\n", modules)
    site.refresh()
    config = BACKBONES.to_config(BACKBONES.build("tcn_9", width=3))
    assert config == {"name": "tcn_9", "width": 3}
    assert BACKBONES.build(config).width == 3


def test_a_class_of_this_process_under_a_name_of_a_package_cannot_be_written_until_it_says_override(site):
    site.install("ecg-tcn", TWO.format(x="tcn"), {"ecg_tcn/model.py": CLASS})
    site.refresh()
    BACKBONES.add(Part, "tcn")
    with pytest.raises(ConfigError, match="Part is registered in this process as 'tcn', and that name leads to a package's comp"):
        BACKBONES.to_config(Part())
    BACKBONES.add(Part, "tcn", override=True)
    assert BACKBONES.to_config(Part()) == {"name": "tcn"}


def test_an_object_of_a_class_that_was_defined_again_says_so():
    def cell():
        class Net(Configurable): ...

        BACKBONES.add(Net, "net")
        return Net()

    old, new = cell(), cell()
    assert BACKBONES.to_config(new) == {"name": "net"}
    with pytest.raises(ConfigError, match=r"Net was defined again after this object was made; build the object anew"):
        BACKBONES.to_config(old)


def test_a_strangers_lazy_module_that_raises_does_no_harm(site):
    broken = "def __getattr__(name):\n    raise RuntimeError('no GPU')\n"
    site.install("ecg-tcn", TWO.format(x="tcn"), {"ecg_tcn/model.py": broken})
    site.refresh()
    BACKBONES.add(Part, "part")
    import ecg_tcn.model  # noqa: F401

    assert BACKBONES.to_config(Part()) == {"name": "part"}


@pytest.mark.parametrize("spec", [{"name": "os:system"}, {"name": "os.system"}, {"_target_": "os.system", "name": "part"}])
def test_no_configuration_reaches_what_nobody_registered(spec):
    class Closed(Configurable):
        def __init__(self, width=1): ...

    BACKBONES.add(Closed, "part")
    with pytest.raises((KeyError, TypeError), match=r"no backbone named 'os|unexpected keyword argument '_target_'"):
        BACKBONES.build({"command": "true", **spec} if "_target_" not in spec else spec)
