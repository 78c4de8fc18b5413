"""Configurable and Variant: an object remembers its arguments through copies, pickles and subclasses."""

from __future__ import annotations

import copy
import pickle

import pytest

from ecg_core.config.configurable import Configurable, Variant


class Part(Configurable):
    """With every sort of parameter."""

    def __init__(self, a, /, b=2, *, c=3, **more):
        self.total = a + b + c + sum(more.values())


class Narrow(Part):
    """A subclass with its own constructor."""

    def __init__(self, width=1):
        super().__init__(width, c=width)


class Silent(Configurable):
    """Without a constructor."""


narrow_9 = Variant(Narrow, {"width": 9})


def test_arguments_are_remembered_by_name_however_they_were_given():
    assert Part(1, 5, c=7).arguments == {"a": 1, "b": 5, "c": 7}
    assert Part(1, b=5).arguments == {"a": 1, "b": 5}
    assert Silent().arguments == {}


def test_open_keywords_are_remembered_one_by_one():
    assert Part(1, d=10, e=20).arguments == {"a": 1, "d": 10, "e": 20}


def test_a_subclass_remembers_its_own_arguments_not_its_parents():
    assert Narrow(4).arguments == {"width": 4}
    assert Narrow(4).total == 10


def test_a_wrong_call_is_pythons_own_type_error():
    with pytest.raises(TypeError, match=r"Narrow.__init__\(\) got an unexpected keyword argument 'wdith'"):
        Narrow(wdith=3)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        Part()


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("made", [Part(1, c=2, d=3), Narrow(2), narrow_9(), Silent()])
def test_copies_remember_what_the_original_did(again, made):
    twin = again(made)
    assert type(twin) is type(made)
    assert twin.arguments == made.arguments
    assert twin.variant == made.variant
    assert getattr(twin, "total", None) == getattr(made, "total", None)


def test_what_is_handed_out_cannot_change_what_is_remembered():
    part = Part(1)
    part.arguments["a"] = 99
    assert part.arguments == {"a": 1}


def test_a_variant_is_its_class_with_defaults_that_give_way():
    assert narrow_9().arguments == {"width": 9}
    assert narrow_9(width=3).arguments == {"width": 3}
    assert narrow_9(width=3).variant is narrow_9
    assert Narrow(9).variant is None
    assert narrow_9.__doc__ == Narrow.__doc__


def test_variants_are_equal_by_value_and_hashable():
    assert narrow_9 == Variant(Narrow, {"width": 9}) != Variant(Narrow, {"width": 8})
    assert len({narrow_9, Variant(Narrow, {"width": 9})}) == 1
    assert hash(Variant(Narrow, {"width": [1]})) == hash(Variant(Narrow, {"width": [1]}))


def test_a_torch_module_keeps_its_arguments_beside_its_parameters():
    torch = pytest.importorskip("torch")

    class Net(Configurable, torch.nn.Module):
        def __init__(self, width=3):
            super().__init__()
            self.layer = torch.nn.Linear(width, 1)

    net = Net(width=5)
    assert net.arguments == {"width": 5}
    assert list(net.state_dict()) == ["layer.weight", "layer.bias"]
    twin = copy.deepcopy(net)
    assert twin.arguments == {"width": 5}
    assert torch.equal(twin.layer.weight, net.layer.weight)
    assert twin.layer.weight is not net.layer.weight
