"""Page: the frame of a report, one HTML file that opens anywhere, and the parts that every report has.

No network, no scripts, no install beyond the core.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from ecg_core.data.files import write_atomic
from ecg_core.errors import DataError
from ecg_core.evaluation.charts import learning_chart

__all__ = [
    "ReportExample",
    "alarms",
    "command_lines",
    "example_figures",
    "fact_list",
    "figure",
    "learning_curves",
    "sentence",
    "tile",
    "write_page",
]

_NOT_A_DEVICE = "Research use only. Not a medical device."


@dataclass(frozen=True)
class ReportExample:
    """One record to look at.

    Args:
        caption: What is to be seen.
        picture: A PNG file as bytes, or an SVG as a string.
        labels: Classes it carries; ``None`` where its labels are in the picture or the caption.
        scores: Scores by class.
        note: Further words below the picture.
    """

    caption: str
    picture: bytes | str
    labels: Sequence[str] | None = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


def write_page(path: str | os.PathLike[str], *, title: str, head: str, sections: Sequence[tuple[str, str]]) -> Path:
    """Write the file, whole or not at all.

    Args:
        path: The HTML file.
        title: Headline.
        head: Markup below it: what is told before everything else.
        sections: Headings and markup; one without markup is left out.
    """
    body = "".join(f"<section><h2>{escape(name)}</h2>{content}</section>" for name, content in sections if content)
    style = resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{style}</style></head><body>"
        f'<header><h1>{escape(title)}</h1><p class="warn">{_NOT_A_DEVICE}</p>{head}</header>'
        f'<main>{body}</main><footer class="quiet"><p>{_NOT_A_DEVICE} '
        "The numbers describe these records and this model; they say nothing about other hospitals, devices or patients.</p>"
        "</footer></body></html>\n"
    )

    def write(file: Path) -> None:
        file.write_text(page, encoding="utf-8", newline="\n")

    write_atomic(Path(path), write)
    return Path(path)


def alarms(warnings: Sequence[str]) -> str:
    """What the reader must know before any number."""
    return "".join(f'<p class="alarm">{escape(sentence(text))}</p>' for text in warnings)


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def tile(name: str, value: str, below: str) -> str:
    """A number to be read first; ``below`` is markup."""
    return f'<div class="tile"><span>{escape(name)}</span><b>{escape(value)}</b><span>{below}</span></div>'


def fact_list(facts: Mapping[str, str]) -> str:
    """Names and what is to be said of them."""
    rows = "".join(f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items())
    return f"<dl>{rows}</dl>" if rows else ""


def command_lines(command: str) -> str:
    """Commands, one a line."""
    return f"<pre tabindex=0>{escape(command.strip())}</pre>" if command.strip() else ""


def learning_curves(history: Sequence[Mapping[str, Any]]) -> str:
    """Losses and validation scores over the course of a run; empty without numbers."""
    keys = dict.fromkeys(key for line in history for key, value in line.items() if isinstance(value, float))
    losses = [key for key in keys if key in ("loss", "val_loss")]
    others = [key for key in keys if key.startswith("val_") and key not in losses]
    pictures = []
    for name, drawn in (("Loss", losses), ("Validation", others)):
        try:
            pictures.append(figure(name, learning_chart(history, drawn, label=name), "The legend holds the last value."))
        except DataError:  # no finite number to draw
            continue
    return f'<div class="charts">{"".join(pictures)}</div>' if pictures else ""


def figure(name: str, svg: str, told: str = "") -> str:
    """A chart with its heading."""
    return f"<figure><h3>{escape(name)}</h3>{svg}{f'<figcaption>{escape(told)}</figcaption>' if told else ''}</figure>"


def example_figures(examples: Sequence[ReportExample]) -> str:
    """Records on ECG paper.

    Raises:
        DataError: A picture is neither PNG nor SVG.
    """
    return "".join(_example(example) for example in examples)


def _example(example: ReportExample) -> str:
    labelled = "" if example.labels is None else f"Labelled {', '.join(example.labels) or 'with none of the classes'}."
    ranked = sorted(example.scores.items(), key=lambda item: -item[1])
    scored = f" Scores: {', '.join(f'{name} {score:.2f}' for name, score in ranked)}." if ranked else ""
    below = " ".join(filter(None, (f"{labelled}{scored}".strip(), example.note)))
    told = escape(f"{example.caption} {below}".rstrip())
    return (
        f'<figure class="example"><div class="sheet" tabindex="0" role="region" aria-label="ECG, scrolls sideways">'
        f'<img src="{_data_uri(example.picture)}" alt="ECG on paper. {told}"></div>'
        f"<figcaption><b>{escape(example.caption)}</b> {escape(below)}</figcaption></figure>"
    )


def _data_uri(picture: bytes | str) -> str:
    """The picture inside an image element, where no script of an SVG can run."""
    if isinstance(picture, str) and "<svg" in picture:
        kind, content = "svg+xml", picture.encode("utf-8")
    elif isinstance(picture, bytes) and picture.startswith(b"\x89PNG\r\n\x1a\n"):
        kind, content = "png", picture
    else:
        raise DataError(f"an example's picture must be PNG bytes or an SVG string, got {picture[:20]!r}")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
