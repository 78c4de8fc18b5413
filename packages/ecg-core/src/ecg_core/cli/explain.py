"""``ecg explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ecg_core.cli.output import next_command, shell_path, tell, working


def explain(
    run: Path,
    record: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    target: str | None = None,
    method: str = "grad_cam",
    reader: str = "auto",
    force: bool = False,
) -> None:
    """Draw on ECG paper where a model looked.

    Args:
        run: Fine-tuning run.
        record: One recording, without suffix, or a folder of them.
        out: PNG to write; of a folder, a folder for a picture each and explanations.csv.
        target: Class to explain; the most probable one unless given.
        method: grad_cam, grad_cam_pp, layer_cam, integrated_gradients, occlusion, wave_occlusion, lead_occlusion or
            attention_rollout.
        reader: Name of a reader; found out by itself unless given.
        force: Replace an existing picture.
    """
    from ecg_core.run.inference.explain import explain as look
    from ecg_core.run.inference.explain import explain_folder

    if record.is_dir():
        with working("explain", "recordings") as progress:
            found = explain_folder(run, record, out, target=target, method=method, reader=reader, force=force, progress=progress)
        tell(f"{found['target'].notna().sum():,} pictures and explanations.csv in {out}")
        refused = found["reason"].dropna().tolist() if "reason" in found else []
        if refused:
            tell(f"refused {len(refused)}, e.g. {refused[0]}")
        return
    with working("explain"):
        explanation = look(run, record, out, target=target, method=method, reader=reader, force=force)
    said = explanation.answer if explanation.number else f"{explanation.probability:.1%}"
    tell(f"{explanation.record.record_id}: {explanation.target} {said}, picture: {out}")
    next_command(f"ecg predict {shell_path(run)} {shell_path(record.parent)} -o predictions.csv")
