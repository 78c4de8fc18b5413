"""The kinds of plugin there is a template for: what each one needs, and what to type to use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["KINDS", "TemplateKind"]


@dataclass(frozen=True)
class TemplateKind:
    """How a package that ships one component of a kind differs from the others.

    Args:
        group: Its entry points are in ``ecg_core.GROUP``.
        module: File of the component, without suffix.
        summary: What the example does, in a few words.
        requires: Our packages it imports or builds from, with the extras it needs.
        test_requires: Our packages its conformance test builds from.
        others: Further requirements.
        use: The command that uses the component, seen from the folder beside ``prepared/``.
    """

    group: str
    module: str
    summary: str
    requires: tuple[str, ...]
    use: str
    test_requires: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


KINDS: Mapping[str, TemplateKind] = {
    "backbone": TemplateKind(
        "backbones",
        "backbone",
        "A fully convolutional backbone for ECGs",
        ("ecg-core[torch]",),
        "ecg pretrain prepared/ --method simclr --backbone $name --out runs/$name",
        others=("torch>=2.8",),
    ),
    "ssl": TemplateKind(
        "ssl",
        "method",
        "VICReg, a self-supervised method, for ECGs",
        ("ecg-core[torch]", "ecg-preproc"),
        "ecg pretrain prepared/ --method $name --backbone resnet18 --out runs/$name",
        test_requires=("ecg-backbones",),
        others=("torch>=2.8",),
    ),
    "transform": TemplateKind(
        "transforms",
        "transform",
        "Random gains for ECG leads",
        ("ecg-core",),
        "ecg finetune prepared/ --backbone resnet18 --target dx --augment $name --out runs/$name",
    ),
    "reader": TemplateKind(
        "readers",
        "reader",
        "Reads ECGs from files *.ecg.csv",
        ("ecg-core",),
        "ecg prep FOLDER prepared/ --reader $name",
        others=("numpy>=2.0.2",),
    ),
    "model": TemplateKind(
        "models",
        "task",
        "ECG classification by the focal loss",
        ("ecg-core[torch]",),
        "ecg finetune prepared/ --model $name --backbone resnet18 --target dx --out runs/$name",
        test_requires=("ecg-backbones",),
        others=("torch>=2.8",),
    ),
    "command": TemplateKind(
        "commands",
        "command",
        "Counts the windows of each class in a prepared store",
        ("ecg-core",),
        "ecg $word prepared/",
    ),
}
