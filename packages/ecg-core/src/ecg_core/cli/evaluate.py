"""``ecg evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ecg_core.cli.output import next_command, shell_path, tell, working


def evaluate(
    run: Path,
    /,
    *,
    data: Path | None = None,
    split: Literal["train", "val", "test"] = "test",
    html: Path | None = None,
    compare: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative=())] = None,
    floors: bool = True,
    leads_table: Annotated[bool, Parameter(negative=())] = False,
    calibrate: Annotated[bool, Parameter(negative=())] = False,
    examples: int = 4,
    repeats: int = 1000,
    seed: int = 0,
    force: bool = False,
) -> None:
    """Score a classifier on held-out patients, with intervals and a report.

    Args:
        run: Fine-tuning run.
        data: Prepared store; the one of the run unless given.
        split: train, val or test.
        html: Report to write, one self-contained file.
        compare: Evaluated runs; what they differ by is shown with interval and p-value.
        floors: Set a random encoder and hand-crafted features beside the model, in seconds.
        leads_table: Score the model on 8, 6, 3, 2 leads and one lead too.
        calibrate: Divide the logits by the temperature that fits the validation recordings best.
        examples: Recordings shown in the report.
        repeats: Bootstrap repeats; patients are resampled.
        seed: Of the bootstrap and of the floors.
        force: Replace an existing report.
    """
    from ecg_core.evaluation.samples import SampleEvaluation
    from ecg_core.run.directory import RunDirectory
    from ecg_core.run.from_hub import working_copy
    from ecg_core.run.scoring.evaluate import evaluate as score

    with working("evaluate", "windows") as progress:
        evaluation = score(
            run,
            data=data,
            split=split,
            html=html,
            compare=compare or (),
            floors=floors,
            leads_table=leads_table,
            calibrate=calibrate,
            examples=examples,
            repeats=repeats,
            seed=seed,
            force=force,
            progress=progress,
        )
    tell(str(evaluation))
    if html is not None:
        tell(f"report: {html}")
    source = data or RunDirectory(working_copy(run)).facts["data"]["path"]
    samples = isinstance(evaluation, SampleEvaluation)
    out = "annotations/" if samples else "predictions.csv"
    next_command(f"ecg explain {shell_path(run)} RECORD -o explanation.png", f"ecg predict {shell_path(run)} FOLDER -o {out}")
    written = working_copy(run) / f"{'events' if samples else 'predictions'}-{split}.csv"
    tell(f"      (of this split: {written}; data: {source})")
