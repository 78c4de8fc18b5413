"""The model card: the README.md of a published model, from what is known of it. A fact that is not known is named as such."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from ecg_core.hub.licences import hub_licence
from ecg_core.hub.markdown import code, front_matter, table
from ecg_core.hub.measured import measured, metric_words
from ecg_core.hub.model_facts import ModelFacts
from ecg_core.hub.training_data import population, training_data

__all__ = ["model_card"]


def model_card(facts: ModelFacts) -> str:
    """Markdown with the YAML front matter of the hub (https://huggingface.co/docs/hub/model-cards)."""
    licence = facts.licence or (facts.origin.licence if facts.origin else None)
    word = None if licence is None else hub_licence(licence)
    head = {
        "license": None if licence is None else (word or "other"),
        "license_name": licence if licence is not None and word is None else None,
        "library_name": "ecg-core",
        "tags": list(dict.fromkeys(["ecg", "electrocardiogram", facts.backbone, *_method(facts)])),
        "metrics": metric_words(facts),
    }
    parts = {
        f"# {facts.name}": _what(facts),
        "## Signal": _signal(facts),
        "## How to load it": _loading(facts),
        "## Training data": training_data(facts),
        "## Measured": measured(facts),
        "## Intended use": iter([_use(facts)]),
        "## Limits": _limits(facts),
        "## Licence": _licence(facts, licence),
        "## Made with": _made(facts),
    }
    lines = front_matter(head)
    for title, part in parts.items():
        lines += ["", title, "", *part]
    return "\n".join(lines) + "\n"


def _method(facts: ModelFacts) -> list[str]:
    if facts.directory is not None and facts.directory.kind == "pretrain":
        return [str(facts.run["config"]["name"]), "self-supervised"]
    return [str(facts.card.config["name"])] if facts.card.classes else []


def _what(facts: ModelFacts) -> Iterator[str]:
    card, weights = facts.card, facts.card.facts["weights"]
    size = f"{weights['parameters']:,} parameters"
    if card.classes:
        answers = "an amount of" if card.facts.get("problem") == "regression" else "probabilities of"
        yield f"An ECG model: `{facts.backbone}` ({size}), which gives {answers} {', '.join(card.classes)}."
        yield ""
        yield f"It was asked for `{card.facts.get('target', 'not known')}` ({card.facts.get('problem', 'not known')})."
    else:
        how = card.facts.get("method") or (facts.run.get("config", {}).get("name") if facts.run else None)
        made = f"pre-trained with `{how}`, without labels" if how else "how it was trained: see where it came from"
        yield f"An ECG encoder: `{facts.backbone}` ({size}), {made}. It answers no question by itself."
    if facts.run and not facts.run.get("finished"):
        yield ""
        yield "**Its training was not finished.**"
    if facts.origin is not None:
        yield ""
        yield (
            f"It began with published weights: {facts.origin.model or 'not known'}, from {facts.origin.source or 'not known'}; "
            f"SHA-256 of that file `{facts.origin.sha256 or 'not known'}`."
        )
    elif facts.run.get("source"):
        yield ""
        yield f"It began with `{facts.public(str(facts.run['source'])).rsplit('/', 1)[-1]}`, an earlier run."


def _signal(facts: ModelFacts) -> Iterator[str]:
    signal = facts.card.signal
    rows = [
        ("sampling frequency", f"{signal.fs:g} Hz"),
        ("leads, in this order", ", ".join(signal.leads)),
        ("unit", signal.unit),
        ("window", f"{signal.samples} samples ({signal.seconds:g} s)"),
        ("preprocessing", " → ".join(f"`{step['name']}`" for step in signal.pipeline) or "none"),
    ]
    yield from table(("", ""), rows)
    yield ""
    yield "Recordings given to the commands are brought into this form by themselves. To prepare a data set in it:"
    yield ""
    yield from code(
        "bash",
        f"ecg prep RECORDINGS/ prepared/ --fs {signal.fs:g} --seconds {signal.seconds:g} --leads {','.join(signal.leads)} "
        "--pipeline pipeline.json",
    )


def _loading(facts: ModelFacts) -> Iterator[str]:
    where = facts.address or "FOLDER"
    ships = {e["provider"] for e in facts.card.facts["provenance"] if e["version"]} | {
        e["provider"] for e in facts.card.signal.provenance if e["version"]
    }
    packages = " ".join(["'ecg-core[torch,hub]'", *sorted(ships - {"ecg-core"})])
    yield from code("bash", f"pip install {packages}")
    yield ""
    yield from code(
        "python",
        "import ecg_core",
        "",
        f'loaded = ecg_core.load("{where}")',
        "loaded.module, loaded.signal  # the network, in evaluation mode, and the signal it expects",
    )
    yield ""
    lines = (
        (f"ecg predict {where} RECORDINGS/ -o predictions.csv", f"ecg evaluate {where} --data prepared/")
        if facts.card.classes and facts.directory is not None
        else (f"ecg finetune prepared/ --from {where} --target TARGET --out runs/new",)
    )
    yield from code("bash", *lines)
    yield ""
    yield "The weights are safetensors, checked against the SHA-256 in the card; loading them executes nothing of this folder."


def _use(facts: ModelFacts) -> str:
    if facts.card.classes:
        return "Research on ECG recordings like those it was trained on: comparing methods, reading along, finding recordings."
    return "Research: features of ECG recordings, and a beginning for models that are fine-tuned with labels."


def _limits(facts: ModelFacts) -> Iterator[str]:
    leads = ", ".join(facts.card.signal.leads)
    yield "- **For research. It is not a medical device, and no diagnosis or treatment may rest on it.**"
    yield f"- It knows the leads {leads} at {facts.card.signal.fs:g} Hz; on other leads or devices nobody has tried it here."
    people = "not known" if facts.store is None else population(facts.store)
    yield f"- People it has learned from: {people}. On others it may do worse; measure that before use."
    warned = [sentence for one in (facts.evaluations or {}).values() for sentence in one.get("warnings", ())]
    if warned:
        yield "- Some of what it was measured on may not have been new to it; see the warnings under Measured."
    elif not facts.evaluations:
        yield "- Whether recordings it is tested on were among those it learned from is for the tester to find out."
    if facts.run.get("few_labels"):
        few = ", ".join(f"{word} {value}" for word, value in facts.run["few_labels"].items())
        yield f"- It has learned from few labels ({few})."
    unseen = [name for name, count in facts.run.get("examples", {}).items() if not count]
    if unseen:
        yield f"- It has seen no example of {', '.join(unseen)}."


def _licence(facts: ModelFacts, licence: str | None) -> Iterator[str]:
    yield f"Of these weights: {licence or 'not stated by their maker'}."
    if facts.origin is not None:
        yield ""
        yield f"Of the published weights it began with: {facts.origin.licence or 'not known'}."
    yield ""
    yield f"Of the data it was trained on: {facts.data_licence or 'not known'}."


def _made(facts: ModelFacts) -> Iterator[str]:
    versions = dict(facts.card.facts.get("versions", {}))
    versions |= {e["provider"]: e["version"] for e in facts.card.facts["provenance"] if e["version"]}
    versions |= {word: facts.run.get("environment", {}).get(word) for word in ("python", "numpy") if facts.run}
    yield from table(("package", "version"), [(name, version or "not known") for name, version in sorted(versions.items())])
    yield ""
    if facts.directory is None:
        yield "The command that made it is not known here."
        return
    command = facts.run.get("environment", {}).get("command", "")
    if command.startswith((f"ecg {facts.directory.kind} ",)):
        yield "Trained with this command (of paths, the last part):"
        yield ""
        yield from code("bash", shlex.join(map(str, facts.public(shlex.split(command)))))
    else:
        yield f"Trained from Python with `ecg_core.{facts.directory.kind}`:"
    yield ""
    settings = facts.public({"config": facts.run["config"], "settings": facts.run["settings"]})
    yield from code("json", json.dumps(settings, ensure_ascii=False))
    for split in facts.evaluations or {}:
        yield ""
        yield from code("bash", f"ecg evaluate RUN --split {split}")
