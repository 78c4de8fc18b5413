"""The registry: a name leads to one class, whatever else is installed; the messages are the ones users read."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_core.config.configurable import Configurable, Variant
from ecg_core.discovery.first_party import _NAMES
from ecg_core.discovery.index import get_index
from ecg_core.discovery.registries import BACKBONES, HEADS, TRANSFORMS, register_backbone
from ecg_core.discovery.registry import Registry
from ecg_core.errors import AmbiguousComponentError, ComponentLoadError, ConfigError, UnknownComponentError

LISTED = "Installed backbones: `ecg plugins list --kind backbones`."


class Toy(Configurable):
    """A component of this test."""

    def __init__(self, width: int = 4, parts: object = (), *, rate: float = 0.5) -> None:
        self.width, self.parts, self.rate = width, parts, rate

    class Inner(Configurable):
        """A component inside a class."""

        def __init__(self) -> None: ...


toy_wide = Variant(Toy, {"width": 64})


@pytest.fixture(autouse=True)
def nothing_registered_stays():
    with BACKBONES.isolated(), TRANSFORMS.isolated(), HEADS.isolated():
        yield


def message(name: str, registry: Registry = BACKBONES) -> str:
    with pytest.raises(UnknownComponentError) as error:
        registry.get(name)
    return str(error.value)


# ---------------------------------------------------------------------------------------------- messages


def test_a_misspelt_name_is_answered_with_the_near_one():
    BACKBONES.add(Toy, "zzyzx_tower", override=True)
    assert message("zzyzx_towr") == f"no backbone named 'zzyzx_towr'. Did you mean 'zzyzx_tower'? {LISTED}"


def test_a_name_like_no_other_gets_no_guess():
    assert message("qqqqqq") == f"no backbone named 'qqqqqq'. {LISTED}"


def test_an_unknown_name_is_a_key_error_that_prints_its_sentence():
    with pytest.raises(KeyError) as error:
        BACKBONES.get("qqqqqq")
    assert str(error.value).startswith("no backbone named")


def test_a_wrong_provider_is_answered_with_the_right_one(site):
    site.install("ecg-tcn")
    site.refresh()
    assert message("ecg-x:tcn") == f"no backbone named 'ecg-x:tcn'. Did you mean 'ecg-tcn:tcn'? {LISTED}"


def test_an_unhealthy_component_is_answered_with_its_health(site):
    site.install("ecg-x", "[ecg_core.backbones]\nb = ecg_x_nowhere.model:B\n", {})
    site.refresh()
    reason = "from ecg-x 0.3.1 is missing: module ecg_x_nowhere.model is not found; reinstall ecg-x."
    assert message("b") == f"backbones 'b' {reason} {LISTED}"
    assert message("ecg-x:b") == f"backbones 'ecg-x:b' {reason} {LISTED}"


def test_a_name_of_ours_that_is_not_installed_is_answered_with_the_install_line(monkeypatch):
    index = get_index()
    without = type(index)({k: v for k, v in index.plugins.items() if k != "ecg-backbones"}, ())
    monkeypatch.setattr("ecg_core.discovery.index._cached", without)
    assert message("ResNet18") == "backbone 'ResNet18' is in ecg-backbones, which is not installed: pip install ecg-backbones"


@pytest.mark.parametrize("distribution", _NAMES)
def test_the_names_in_install_lines_are_those_the_package_ships(distribution):
    plugin = get_index().plugins.get(distribution)
    if plugin is None:
        pytest.skip(f"{distribution} is not installed")
    declared = {kind: {c.name for c in plugin.components if c.kind == kind} for kind in {c.kind for c in plugin.components}}
    assert {kind: set(names) for kind, names in _NAMES[distribution].items()} == declared


def test_something_that_is_no_name_is_one_clear_error():
    with pytest.raises(ConfigError, match="backbones: a name is a string, got 3"):
        BACKBONES.get(3)
    with pytest.raises(ConfigError, match=r"backbones: expected a name or a mapping with a 'name', got \{'width': 3\}"):
        BACKBONES.build({"width": 3})


# ---------------------------------------------------------------------------------------------- resolution


def test_a_plugin_is_found_by_any_spelling_and_imported_only_then(site):
    import sys

    site.install("ecg-tcn")
    site.refresh()
    assert "tcn" in BACKBONES
    assert "tcn" in BACKBONES.names()
    assert "tcn" in list(BACKBONES)
    assert len(BACKBONES) == len(BACKBONES.names())
    assert BACKBONES.names(provider="ecg-tcn") == ["tcn"]
    assert BACKBONES.describe("TCN").qualified == "ecg-tcn:tcn"
    assert "ecg_tcn.model" not in sys.modules
    assert BACKBONES.build("TCN", width=3).width == 3
    assert BACKBONES.get("ecg-tcn:t_c_n") is BACKBONES.get("ECG_TCN:tcn") is sys.modules["ecg_tcn.model"].TCN


def test_a_stranger_cannot_take_a_name_of_ours(site):
    for spelling in ("resnet18", "ResNet-18"):
        site.install(f"ecg-x-{spelling.lower()}", f"[ecg_core.backbones]\n{spelling} = ecg_tcn.model:TCN\n")
    site.refresh()
    for asked in ("resnet18", "ResNet-18", "RESNET18"):
        assert BACKBONES.describe(asked).provider == "ecg-backbones"
    # ecg-x-resnet18 and ecg-x-resnet-18 are two distributions to PyPI, and to us.
    assert BACKBONES.describe("ecg-x-resnet18:resnet18").provider == "ecg-x-resnet18"
    assert BACKBONES.describe("ECG_X_ResNet-18:resnet18").provider == "ecg-x-resnet-18"


def test_two_strangers_with_one_name_must_be_told_apart(site, monkeypatch):
    site.install("ecg-tcn", version="0.1.0")
    site.install("ecg-x", version="0.2.0")
    site.refresh()
    with pytest.raises(AmbiguousComponentError) as error:
        BACKBONES.get("tcn")
    assert str(error.value) == (
        "backbones 'tcn' is shipped by 2 plugins: ecg-tcn:tcn (0.1.0), ecg-x:tcn (0.2.0). "
        "Name one of them in full, e.g. 'ecg-tcn:tcn'."
    )
    assert BACKBONES.describe("ecg-x:tcn").version == "0.2.0"
    monkeypatch.setenv("ECG_PREFER", "other=z, T-C-N=ecg_x")
    assert BACKBONES.describe("tcn").version == "0.2.0"
    monkeypatch.setenv("ECG_PREFER", "tcn=ecg-absent")
    with pytest.raises(AmbiguousComponentError):
        BACKBONES.get("tcn")


def test_a_preference_wins_over_ours_because_the_user_said_so(site, monkeypatch):
    site.install("ecg-x", "[ecg_core.backbones]\nresnet18 = ecg_tcn.model:TCN\n")
    site.refresh()
    monkeypatch.setenv("ECG_PREFER", "resnet18=ecg-x")
    assert BACKBONES.describe("resnet18").provider == "ecg-x"


def test_a_blocked_plugin_gives_its_name_back_to_the_other(site, monkeypatch):
    site.install("ecg-tcn")
    site.install("ecg-x")
    monkeypatch.setenv("ECG_PLUGINS_BLOCK", "ecg-x")
    site.refresh()
    assert BACKBONES.describe("tcn").provider == "ecg-tcn"


@pytest.mark.parametrize(
    ("source", "cause", "said"),
    [
        ("raise RuntimeError('CUDA driver too old')", RuntimeError, "RuntimeError: CUDA driver too old"),
        ("import sys; sys.exit(3)", SystemExit, "SystemExit: 3"),
        ("import ecg_x_dependency", ModuleNotFoundError, "ModuleNotFoundError: No module named 'ecg_x_dependency'"),
        ("class Other: ...", AttributeError, "AttributeError: module 'ecg_x.model' has no attribute 'TCN'"),
        ("def broken(:", SyntaxError, "SyntaxError: invalid syntax"),
    ],
)
def test_a_plugin_that_fails_to_import_is_named_with_its_cause(site, source, cause, said):
    site.install("ecg-x", "[ecg_core.backbones]\nboom = ecg_x.model:TCN\n", {"ecg_x/model.py": source})
    site.refresh()
    with pytest.raises(ComponentLoadError) as error:
        BACKBONES.build("boom")
    assert str(error.value).startswith(f"backbones 'boom' from ecg-x 0.3.1 (ecg_x.model:TCN) failed to import: {said}")
    assert str(error.value).endswith("Other components are unaffected; `ecg plugins list` shows them.")
    assert isinstance(error.value.__cause__, cause)


def test_an_error_of_a_constructor_is_not_dressed_up(site):
    source = "class TCN:\n    def __init__(self):\n        raise ZeroDivisionError('mine')\n"
    site.install("ecg-tcn", modules={"ecg_tcn/model.py": source})
    site.refresh()
    with pytest.raises(ZeroDivisionError, match="mine"):
        BACKBONES.build("tcn")


# ---------------------------------------------------------------------------------------------- in this process


def test_the_decorator_returns_the_class_and_names_it_by_itself():
    assert register_backbone()(Toy) is Toy
    assert BACKBONES.get("toy") is Toy
    assert BACKBONES.describe("TOY").provider == "this process"


def test_a_cell_run_again_replaces_its_class_in_silence():
    def cell():
        class Net(Configurable): ...

        return register_backbone("net")(Net)

    first, second = cell(), cell()
    assert BACKBONES.get("net") is second is not first


def test_another_class_of_the_same_name_must_say_override():
    register_backbone("net")(Toy)
    with pytest.raises(
        AmbiguousComponentError, match=r"backbones 'N.e.t' is already registered in this process as .*:Toy; choose"
    ):
        register_backbone("N.e.t")(Toy.Inner)
    register_backbone("N.e.t", override=True)(Toy.Inner)
    assert BACKBONES.get("net") is Toy.Inner


def test_an_installed_name_is_taken_only_with_override(site):
    site.install("ecg-tcn")
    site.refresh()
    register_backbone("TCN")(Toy)
    with pytest.raises(
        AmbiguousComponentError, match="is registered in this process and also shipped by ecg-tcn; register it with"
    ):
        BACKBONES.get("tcn")
    register_backbone("tcn", override=True)(Toy)
    assert BACKBONES.get("tcn") is Toy


def test_a_plugin_that_also_decorates_its_class_is_no_clash(site):
    decorated = "from ecg_core.discovery.registries import register_backbone\n\n@register_backbone('tcn')\nclass TCN:\n    pass\n"
    site.install("ecg-tcn", modules={"ecg_tcn/model.py": decorated})
    site.refresh()
    first = BACKBONES.get("tcn")
    assert BACKBONES.get("tcn") is first


@pytest.mark.parametrize("name", ["a:b", "-", "._ "])
def test_a_name_that_could_never_be_asked_for_is_refused(name):
    with pytest.raises(ConfigError, match="cannot be a name"):
        BACKBONES.add(Toy, name)


def test_isolated_forgets_what_was_registered_inside_even_after_an_error():
    BACKBONES.add(Toy, "kept")
    with pytest.raises(RuntimeError), BACKBONES.isolated():
        BACKBONES.add(Toy, "lost")
        BACKBONES.add(Toy.Inner, "kept", override=True)
        raise RuntimeError
    assert "lost" not in BACKBONES
    assert BACKBONES.get("kept") is Toy


# ---------------------------------------------------------------------------------------------- configurations


def test_a_configuration_builds_the_same_object():
    BACKBONES.add(Toy, "toy")
    config = BACKBONES.to_config(Toy(8, [1, 2.5, "x", None, True], rate=0.25))
    assert config == {"name": "toy", "width": 8, "parts": [1, 2.5, "x", None, True], "rate": 0.25}
    again = BACKBONES.build(config)
    assert (again.width, again.parts, again.rate) == (8, [1, 2.5, "x", None, True], 0.25)
    assert BACKBONES.to_config(again) == config


def test_a_variant_is_written_by_its_name_and_what_differs_from_it():
    BACKBONES.add(Toy, "toy")
    BACKBONES.add(toy_wide, "toy_wide")
    assert BACKBONES.to_config(toy_wide(rate=0.1)) == {"name": "toy_wide", "rate": 0.1}
    assert BACKBONES.to_config(toy_wide(width=4)) == {"name": "toy_wide", "width": 4}
    assert BACKBONES.build({"name": "toy_wide", "rate": 0.1}).width == 64


def test_components_inside_components_are_written_with_their_kind():
    BACKBONES.add(Toy, "toy")
    HEADS.add(Toy.Inner, "inner")
    config = BACKBONES.to_config(Toy(parts={"first": [Toy.Inner()], "second": Toy(2)}))
    assert config["parts"] == {
        "first": [{"kind": "heads", "name": "inner"}],
        "second": {"kind": "backbones", "name": "toy", "width": 2},
    }
    again = BACKBONES.build(config)
    assert isinstance(again.parts["first"][0], Toy.Inner)
    assert again.parts["second"].width == 2


def test_numbers_of_numpy_are_written_as_numbers():
    BACKBONES.add(Toy, "toy")
    config = BACKBONES.to_config(Toy(np.int64(7), [np.float32(0.5)], rate=np.float64(0.1)))
    assert config == {"name": "toy", "width": 7, "parts": [0.5], "rate": 0.1}
    assert type(config["width"]) is int
    assert type(config["rate"]) is float


def test_an_argument_that_json_cannot_hold_is_named():
    BACKBONES.add(Toy, "toy")
    with pytest.raises(ConfigError, match=r"toy\.parts\[1\]\.a: ndarray cannot be written to a configuration"):
        BACKBONES.to_config(Toy(parts=[0, {"a": np.zeros(2)}]))


def test_an_object_nobody_registered_has_no_configuration():
    with pytest.raises(ConfigError, match=r"test_registry.Toy is not registered, .* decorate it with register_backbone"):
        BACKBONES.to_config(Toy())
    with pytest.raises(ConfigError, match="backbones: nobody noted how this dict was made: it does not derive from Configurable"):
        BACKBONES.to_config({})
    BACKBONES.add(Toy, "toy")
    with pytest.raises(ConfigError, match=r"toy\.parts: Inner is not a registered component"):
        BACKBONES.to_config(Toy(parts=Toy.Inner()))


def test_a_configuration_of_another_kind_is_refused():
    BACKBONES.add(Toy, "toy")
    with pytest.raises(ConfigError, match="'toy' is configured as one of heads, expected one of backbones"):
        BACKBONES.build({"kind": "heads", "name": "toy"})
    with pytest.raises(ConfigError, match="'bones' is no kind of component; expected one of attention, backbones"):
        BACKBONES.build({"name": "toy", "parts": {"kind": "bones", "name": "toy"}})


def test_a_misspelt_argument_is_pythons_own_type_error():
    BACKBONES.add(Toy, "toy")
    with pytest.raises(TypeError, match=r"Toy.__init__\(\) got an unexpected keyword argument 'wdith'. Did you mean 'width'\?"):
        BACKBONES.build({"name": "toy", "wdith": 3})
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'wdith'. Did you mean 'width'\?"):
        BACKBONES.build("toy", wdith=3)
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'zzzz'"):
        BACKBONES.build("toy", zzzz=3)


def test_given_arguments_win_over_configured_ones():
    BACKBONES.add(Toy, "toy")
    assert BACKBONES.build({"name": "toy", "width": 3}, width=5).width == 5


def test_a_configuration_never_imports_what_it_names():
    for name in ("os:system", "subprocess.Popen", "builtins:eval"):
        with pytest.raises(UnknownComponentError):
            BACKBONES.build({"name": name})


def test_a_class_inside_a_class_is_configured_by_its_entry_point(site):
    source = (
        "from ecg_core.config.configurable import Configurable\n\n"
        "class Family:\n    class Small(Configurable):\n        def __init__(self, width=1):\n            self.width = width\n"
    )
    site.install("ecg-x", "[ecg_core.backbones]\nsmall = ecg_x.model:Family.Small\n", {"ecg_x/model.py": source})
    site.refresh()
    assert BACKBONES.to_config(BACKBONES.build("small", width=9)) == {"name": "small", "width": 9}


def test_a_shadowed_component_is_configured_by_its_full_name(site):
    source = "from ecg_core.config.configurable import Configurable\n\nclass TCN(Configurable):\n    pass\n"
    site.install("ecg-x", "[ecg_core.backbones]\nresnet18 = ecg_x.model:TCN\n", {"ecg_x/model.py": source})
    site.refresh()
    config = BACKBONES.to_config(BACKBONES.build("ecg-x:resnet18"))
    assert config == {"name": "ecg-x:resnet18"}
    assert type(BACKBONES.build(config)).__module__ == "ecg_x.model"


def test_a_configuration_that_names_a_command_is_refused_before_it_runs(tmp_path):
    out = tmp_path / "made"
    spec = {"name": "compose", "transforms": [{"kind": "commands", "name": "demo", "out": str(out)}]}
    with pytest.raises(ConfigError, match="a configuration cannot name a command, got 'demo'"):
        TRANSFORMS.build(spec)
    assert not out.exists()
