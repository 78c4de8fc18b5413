"""What a component remembers survives whatever is done to it, and nothing done to anybody's lists changes it."""

from __future__ import annotations

import copy
import inspect
import pickle
import threading
from dataclasses import dataclass

import pytest

from ecg_core.config.configurable import Configurable, Variant, construction_of

torch = pytest.importorskip("torch")
nn = torch.nn


class Net(Configurable, nn.Module):
    """One layer; of unknown input until the first batch where ``width`` is ``None``."""

    def __init__(self, width=3, *, layers=(1,), extra=None):
        super().__init__()
        self.layer = nn.LazyLinear(2) if width is None else nn.Linear(width, 2)

    def forward(self, x):
        return self.layer(x).relu()


class Around(Configurable, nn.Module):
    """A module around another one, with a constructor of its own."""

    def __init__(self, net, /, *, scale=1.0):
        super().__init__()
        self.net, self.scale = net, scale

    def forward(self, x):
        return self.net(x) * self.scale


wide = Variant(Net, {"width": 5})
X = torch.arange(6.0).reshape(2, 3)


def again_pickled(module):
    return pickle.loads(pickle.dumps(module))


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, again_pickled], ids=["copy", "deepcopy", "pickle"])
@pytest.mark.parametrize("made", [Net(3, layers=[1, 2]), Around(Net(), scale=2.0), wide(layers=(4,)), Net(None)])
def test_modules_keep_their_record_in_every_copy(again, made):
    was = made.arguments
    twin = again(made)
    assert twin.arguments.keys() == was.keys()
    assert {k: v for k, v in twin.arguments.items() if k != "net"} == {k: v for k, v in was.items() if k != "net"}
    assert twin.variant == made.variant


def test_a_deep_copy_remembers_the_part_it_holds_and_not_the_original():
    twin = copy.deepcopy(Around(Net(), scale=2.0))
    assert twin.arguments["net"] is twin.net


def test_compiling_without_graph_breaks_keeps_the_record():
    made = Around(wide(width=3), scale=2.0)
    torch._dynamo.reset()
    compiled = torch.compile(made, fullgraph=True, backend="eager")
    assert torch.equal(compiled(X), made(X))
    assert made.arguments == {"net": made.net, "scale": 2.0}
    # What torch.compile returns is another object around ours; it is written as what it stands for.
    assert construction_of(compiled) == construction_of(made)


def test_exporting_keeps_the_record_and_does_not_need_it():
    made = Around(wide(width=3), scale=2.0)
    program = torch.export.export(made, (X,))
    assert torch.equal(program.module()(X), made(X))
    assert made.arguments == {"net": made.net, "scale": 2.0}


def test_a_lazy_layer_changes_no_record_when_it_gets_its_shape():
    made = Net(None)
    before = made.arguments
    made(X)
    assert made.layer.in_features == 3
    assert made.arguments == before == {"width": None}


def test_the_record_is_there_before_the_constructor_runs():
    class Early(Configurable, nn.Module):
        def __init__(self, width=3):
            self.seen = dict(self.arguments)  # a plain dictionary may be set before nn.Module's constructor
            super().__init__()

    assert Early(width=9).arguments == {"width": 9}


def test_changing_the_callers_lists_changes_no_record():
    layers, extra = [1, [2]], {"a": {"b": [3]}}
    made = Net(layers=layers, extra=extra)
    layers.append(9)
    layers[1].append(9)
    extra["a"]["b"].append(9)
    assert made.arguments == {"layers": [1, [2]], "extra": {"a": {"b": [3]}}}


def test_changing_what_was_handed_out_changes_no_record():
    made = Net(layers=[1, [2]])
    made.arguments["layers"][1].append(9)
    made.arguments["extra"] = 9
    assert made.arguments == {"layers": [1, [2]]}


def test_a_constructor_that_changes_its_arguments_changes_no_record_and_no_variant():
    class Greedy(Configurable):
        def __init__(self, sizes):
            self.sizes = sizes
            sizes.append(9)

    row = Variant(Greedy, {"sizes": [1]})
    assert row().arguments == {"sizes": [1]}
    assert row().sizes == [1, 9]
    given = [1]
    assert Greedy(given).arguments == {"sizes": [1]}
    assert given == [1, 9]  # the constructor still gets the caller's own list, as in any Python


def test_what_lies_inside_containers_is_remembered_itself_and_not_copied():
    part = Net()
    assert Net(extra={"parts": [part]}).arguments["extra"]["parts"][0] is part


class Called(Configurable):
    """An object that is called."""

    def __call__(self, x, *, fs): ...


class Positional(Configurable):
    """Takes some of its arguments by position only."""

    def __init__(self, a, b=2, /, *rest, key=0):
        self.made_of = (a, b, rest, key)


def test_arguments_by_position_are_remembered_by_name():
    assert Positional(1, 5, 6, 7, key=8).arguments == {"a": 1, "b": 5, "rest": (6, 7), "key": 8}


def test_a_variant_of_a_class_that_wants_positions_is_called_as_it_wants():
    assert Variant(Positional, {"a": 1, "rest": (6,)})(b=5, key=3).made_of == (1, 5, (6,), 3)


def test_many_threads_remember_each_its_own():
    seen, barrier = {}, threading.Barrier(8)

    def work(number):
        barrier.wait()
        seen[number] = [Net(1, layers=[number, i]).arguments["layers"] for i in range(50)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {n: [[n, i] for i in range(50)] for n in range(8)}


def test_help_and_notebooks_see_the_constructor():
    assert str(inspect.signature(Net)) == "(width=3, *, layers=(1,), extra=None)"
    assert str(inspect.signature(wide)) == "(*, width=5, layers=(1,), extra=None)"
    # An instance that is called shows its call, not the constructor.
    assert str(inspect.signature(Called())) == "(x, *, fs)"


def test_a_dataclass_shows_the_constructor_it_was_given_afterwards():
    @dataclass(frozen=True)
    class Facts(Configurable):
        rate: float
        leads: tuple[str, ...] = ()

    assert str(inspect.signature(Facts)).startswith("(rate: 'float'")
    assert Facts(0.5).arguments == {"rate": 0.5}
