"""Run a few lines in a fresh interpreter, as a spawned worker process would: nothing of this one is inherited."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

from ecg_core.testing.checks import CheckFailed

__all__ = ["in_a_fresh_process"]

_BEFORE = """
import pickle, sys
path, block, given = pickle.load(sys.stdin.buffer)
sys.path[:] = path
sys.modules.update({name: None for name in block})
given = pickle.loads(given)
"""
_MARK = b"--- result ---"  # an import may have printed before it
_AFTER = f"""
sys.stdout.flush()
sys.stdout.buffer.write({_MARK!r} + pickle.dumps(result))
"""


def in_a_fresh_process(code: str, given: Any, *, block: tuple[str, ...] = (), timeout: float = 120.0) -> Any:
    """The value of ``result`` after ``code``, which finds ``given`` unpickled in its namespace.

    Args:
        code: Lines of Python.
        given: Any picklable object.
        block: Modules that cannot be imported there.
        timeout: Seconds.

    Raises:
        CheckFailed: The process failed; the message holds its last line.
    """
    payload = pickle.dumps((sys.path, block, pickle.dumps(given)))
    program = _BEFORE + code + _AFTER
    try:
        done = subprocess.run(  # noqa: S603 - this very interpreter
            [sys.executable, "-c", program], input=payload, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise CheckFailed(f"a fresh process did not finish within {timeout:g} s") from None
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise CheckFailed(f"it fails in a fresh process: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return pickle.loads(done.stdout.partition(_MARK)[2])  # noqa: S301 - written by the lines above
