"""What a stranger may write: mypy --strict finds nothing, and sees each thing as what it is. Checked, never run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_type

from torch import Tensor, nn

from ecg_core import (
    BACKBONES,
    HEADS,
    MODELS,
    READERS,
    SSL,
    TRANSFORMS,
    Backbone,
    Batch,
    Draws,
    Head,
    Losses,
    RandomTransform,
    Reader,
    Record,
    RecordTable,
    SSLMethod,
    Stage,
    Task,
    Transform,
    Variant,
    create_backbone,
    create_head,
    create_ssl,
    create_transform,
    register_backbone,
    register_head,
    register_model,
    register_reader,
    register_ssl,
    register_transform,
)


@register_backbone("net")
class Net(Backbone):
    """A backbone."""

    def __init__(self, in_leads: int | None = None, *, width: int = 8) -> None:
        super().__init__()
        self.in_leads = in_leads
        self.stages = (Stage(width, 2),)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        return [x]


@register_ssl()
class Method(SSLMethod):
    """A method."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def loss(self, batch: Batch) -> Losses:
        return Losses(self.backbone(batch.signal).mean())


@register_transform("double")
class Double(Transform):
    """A transform."""

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return 2 * x


@register_transform("shift", override=True)
class Shift(RandomTransform):
    """A random transform."""

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        return {"by": generator.uniform(size=(shape[1],))}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return x + drawn["by"][:, :, None]


@register_head("sum")
class Sum(Head):
    """A head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.linear = nn.LazyLinear(classes)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.linear(x)
        return scores


@register_model("answer")
class Answer(Task):
    """A model."""

    def __init__(self, backbone: Backbone, head: Head, *, classes: Sequence[str]) -> None:
        super().__init__()
        self.backbone, self.head, self.classes = backbone, head, tuple(classes)

    def criterion(self, logits: Tensor, targets: Tensor) -> Tensor:
        return (logits - targets).square().mean()

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()


@register_reader("files")
class Files(Reader):
    """A reader."""

    def recognises(self, path: Path) -> bool:
        return path.is_dir()

    def scan(self, path: Path) -> RecordTable:
        return RecordTable.from_rows([])

    def read(self, row: Mapping[str, Any]) -> Record:
        raise NotImplementedError


# A decorator gives the class back, so that its own constructor and attributes are known.
assert_type(Net(12, width=4), Net)
assert_type(Method(Net()).backbone, Backbone)
assert_type(Answer(Net(), Sum(2), classes=("A", "B")).classes, tuple[str, ...])

# A registry builds what its name says.
assert_type(BACKBONES.build("resnet18"), Backbone)
assert_type(BACKBONES.build({"name": "resnet18", "widths": [8]}, in_leads=12), Backbone)
assert_type(MODELS.build("classifier"), Task)
assert_type(SSL.build("simclr"), SSLMethod)
assert_type(TRANSFORMS.build("bandpass"), Transform)
assert_type(READERS.build("wfdb"), Reader)
assert_type(HEADS.build("linear"), Head)
assert_type(BACKBONES.get("resnet18"), Callable[..., Backbone])
assert_type(BACKBONES.to_config(Net()), dict[str, Any])
assert_type(create_backbone("resnet18"), Backbone)
assert_type(create_head("linear", classes=2), Head)
assert_type(create_ssl("simclr"), SSLMethod)
assert_type(create_transform("bandpass"), Transform)

small = Variant(Net, {"width": 4})
assert_type(small(in_leads=12), Net)
