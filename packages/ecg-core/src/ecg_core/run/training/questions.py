"""Which question a target of a store is."""

from __future__ import annotations

from ecg_core.data.store import Store
from ecg_core.run.training.question import ClassQuestion, NumberQuestion, Problem, Question
from ecg_core.run.training.step_question import StepQuestion

__all__ = ["question_of"]


def question_of(store: Store, target: str, problem: Problem) -> Question:
    """Numbers, classes of windows, or classes of samples.

    Raises:
        DataError: The store cannot answer it.
    """
    if problem == "regression":
        return NumberQuestion(store, target)
    return ClassQuestion(store, target) if store.step_target(target) is None else StepQuestion(store, target)
