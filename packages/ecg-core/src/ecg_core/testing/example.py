"""Example: one component with the smallest sensible way to build and feed it, as its author states it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecg_core.config.configurable import Variant
from ecg_core.discovery.index import Component
from ecg_core.discovery.registry import Registry, registry_of
from ecg_core.errors import ConfigError

if TYPE_CHECKING:
    from ecg_core.data.record import Record

__all__ = ["Example"]


@dataclass(frozen=True)
class Example:
    """A component with the smallest sensible way to build and feed it.

    Checks never guess what a parameter name means. A component that cannot be built without arguments, or that can be
    checked more closely, has a class method ``conformance_params()`` that returns a mapping with any of the fields below::

        @classmethod
        def conformance_params(cls):
            return {"arguments": {"width": 8}, "leads": 3, "samples": 200}

    Args:
        component: Which one; filled in by the kit.
        arguments: For the constructor. Components among them are written as in a configuration,
            ``{"kind": "heads", "name": "linear", "classes": 3}``.
        leads: Leads of the ECGs it is fed.
        samples: Samples of them.
        fs: Their sampling frequency, Hz.
        refused: Sets of arguments that must end in one clear error, each on top of ``arguments``.
        backbones: SSL methods: two or more small configurations of backbones to run it with.
        extremes: SSL methods: sets of arguments, such as a tiny temperature, under which the loss must stay finite.
        momentum: SSL methods: ``(copy, source, rate)``, names of a submodule that follows another as a moving average in
            ``after_step``, and the rate at which the copy keeps itself.
        views: SSL methods: ``views(method, batch)`` gives the augmented signals of a batch, ``(batch, leads, samples)`` each.
        view_loss: SSL methods: ``view_loss(method, view, view)`` is the loss of two such signals, where it is symmetric.
        masking: SSL methods: ``masking(method, batch)`` gives ``(prediction, patches, mask)``, the mask
            ``(batch, rows, columns)`` and true where hidden, the others ``(batch, rows, columns, values)``.
        mask_ratio: SSL methods: share of the columns that is hidden.
        masked_loss: SSL methods: ``masked_loss(method, prediction, patches, mask)`` is the loss of what ``masking`` gives.
        idempotent: Transforms: doing it twice is doing it once.
        fixture: Readers: ``fixture(folder)`` writes a small data set of three or more recordings into an empty folder and
            returns the :class:`~ecg_core.Record` that each of them must be read back as, in the order of the table.
        tolerance: Readers: how far a sample may be from what was written, mV.
        damages: Readers: ``{"what is wrong": damage}``; ``damage(folder)`` breaks one recording of the data set that ``fixture``
            wrote and returns a word, such as its file name, by which it must be refused.
        inputs: Losses and attention layers: ``inputs()`` gives the tensors they are called with, the prediction first.
    """

    component: Component
    arguments: Mapping[str, Any] = field(default_factory=dict)
    leads: int = 12
    samples: int = 500
    fs: float = 100.0
    refused: Sequence[Mapping[str, Any]] = ()
    backbones: Sequence[Mapping[str, Any]] = ()
    extremes: Sequence[Mapping[str, Any]] = ()
    momentum: tuple[str, str, float] | None = None
    views: Callable[[Any, Any], Sequence[Any]] | None = None
    view_loss: Callable[[Any, Any, Any], Any] | None = None
    masking: Callable[[Any, Any], tuple[Any, Any, Any]] | None = None
    mask_ratio: float | None = None
    masked_loss: Callable[[Any, Any, Any, Any], Any] | None = None
    idempotent: bool = False
    fixture: Callable[[Path], Sequence[Record]] | None = None
    tolerance: float = 0.001
    damages: Mapping[str, Callable[[Path], str]] = field(default_factory=dict)
    inputs: Callable[[], Sequence[Any]] | None = None

    @classmethod
    def of(cls, component: Component) -> Example:
        """The example its author states, or the defaults.

        Raises:
            ConfigError: ``conformance_params()`` states a word that is none of ours.
        """
        source: Any = registry_of(component.kind).get(component.qualified)
        owner = source.cls if isinstance(source, Variant) else source
        stated = dict(owner.conformance_params()) if hasattr(owner, "conformance_params") else {}
        stated |= source.conformance if isinstance(source, Variant) else {}
        known = [f.name for f in fields(cls) if f.name != "component"]
        unknown = [name for name in stated if name not in known]
        if unknown:
            raise ConfigError(
                f"conformance_params() of {component.qualified} states {', '.join(map(repr, unknown))}; "
                f"expected any of {', '.join(known)}"
            )
        # Backbones may also stand among the arguments, where a method takes them.
        arguments = dict(stated.pop("arguments", {}))
        if "backbones" in arguments:
            stated.setdefault("backbones", arguments.pop("backbones"))
        return cls(component, arguments, **stated)

    @property
    def registry(self) -> Registry[Any]:
        """The registry of its kind."""
        return registry_of(self.component.kind)

    @property
    def cls(self) -> Any:
        """The class (or function) behind the name; of a variant, the class it varies."""
        source = self.registry.get(self.component.qualified)
        return source.cls if isinstance(source, Variant) else source

    def build(self, **more: Any) -> Any:
        """The component, built with its stated arguments and these."""
        return self.registry.build({"name": self.component.qualified, **self.arguments}, **more)
