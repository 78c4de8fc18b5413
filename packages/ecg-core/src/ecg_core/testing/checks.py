"""What a check is: a function with a name and a sentence, for one kind of component; and how it says what it found.

The name of the function is its public name, the first line of its docstring is its sentence. A check passes by returning,
fails by raising, and says that it does not apply by :func:`applies`: it is then reported as skipped, never as passed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ecg_core.errors import ECGError

__all__ = [
    "CHECKED_KINDS", "CheckFailed", "NotApplicable", "applies", "check", "check_names", "checks_of", "refuses", "require",
    "sentence",
]  # fmt: skip

Check = Callable[[Any], None]

# Where the checks of each kind are defined, in the order they run.
_MODULES: dict[str, tuple[str, ...]] = {
    "distributions": ("distribution_checks",),
    "backbones": ("backbone_checks", "backbone_state_checks", "backbone_graph_checks", "token_checks"),
    "models": ("model_checks",),
    "ssl": ("ssl_checks", "ssl_state_checks", "ssl_view_checks", "ssl_mask_checks"),
    "transforms": ("transform_checks", "transform_signal_checks", "transform_state_checks"),
    "readers": ("reader_checks", "reader_damage_checks"),
    "heads": ("head_checks",),
    "attention": ("attention_checks",),
    "losses": ("loss_checks",),
    "optimizers": ("optimizer_checks",),
    "schedulers": ("scheduler_checks",),
    "commands": ("command_checks",),
}
CHECKED_KINDS = tuple(_MODULES)
_TORCH_KINDS = ("backbones", "models", "ssl", "heads", "attention", "losses", "optimizers")
_CHECKS: dict[str, dict[str, Check]] = {}


class CheckFailed(AssertionError):  # noqa: N818 - a verdict, not a mishap
    """A component breaks its contract; the message says how."""


class NotApplicable(Exception):  # noqa: N818 - a verdict, not a mishap
    """A check has nothing to look at in this component; the message says why."""


def check(*kinds: str) -> Callable[[Check], Check]:
    """Register a check of these kinds; its function name is its public name, its docstring its sentence."""

    def decorate(function: Check) -> Check:
        assert inspect.getdoc(function), f"{function.__name__} needs a sentence"
        for kind in kinds:
            _CHECKS.setdefault(kind, {})[function.__name__] = function
        return function

    return decorate


def checks_of(kind: str) -> dict[str, Check]:
    """Every check of a kind by name, in the order they run.

    Raises:
        MissingExtraError: The kind is of torch modules, and torch is not installed.
    """
    if kind in _TORCH_KINDS and find_spec("torch") is None:
        from ecg_core.errors import MissingExtraError

        raise MissingExtraError(f"checking {kind} needs torch, which is not installed: pip install 'ecg-core[torch]'")
    for module in _MODULES.get(kind, ()):
        import_module(f"ecg_core.testing.{module}")
    import_module("ecg_core.testing.common_checks")
    return dict(_CHECKS.get(kind, {}))


def check_names(kind: str) -> tuple[str, ...]:
    """Public names of the checks of a kind of component, such as ``"backbones"``; ``"distributions"`` for the package itself."""
    return tuple(checks_of(kind))


def sentence(function: Check) -> str:
    """What a check demands: the first line of its docstring."""
    return (inspect.getdoc(function) or "").split("\n")[0]


def require(condition: Any, message: str) -> None:
    """Fail with this message unless the condition holds; unlike ``assert`` it also counts under ``python -O``."""
    if not condition:
        raise CheckFailed(message)


def applies(condition: Any, reason: str) -> None:
    """Skip the rest of the check, with this reason, unless the condition holds."""
    if not condition:
        raise NotApplicable(reason)


def refuses(
    action: Callable[[], Any], what: str, *words: str, errors: tuple[type[Exception], ...] = (ValueError, TypeError, ECGError)
) -> None:
    """Require that ``action`` raises one clear error whose message holds every word.

    Args:
        action: What must not go through.
        what: How to call it in the message, such as ``"a batch without samples"``.
        words: What the message has to say.
        errors: The errors that count as clear.
    """
    try:
        action()
    except errors as error:
        silent = [word for word in words if word not in str(error)]
        require(not silent, f"the error for {what} does not say {', '.join(map(repr, silent))}: {type(error).__name__}: {error}")
        require(str(error).strip(), f"the error for {what} has no message; say what was expected, what came and what to do")
    except Exception as error:
        named = " or ".join(e.__name__ for e in errors)
        raise CheckFailed(f"{what} ends in {type(error).__name__} ({error}); raise a {named} that says what to do") from error
    else:
        raise CheckFailed(f"{what} is accepted; raise an error that says what was expected, what came and what to do")
