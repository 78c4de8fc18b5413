"""Where bulk work runs: in this process, in several, or on a Dask cluster. Results come as they are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeVar, get_args

from ecg_core.errors import DataError, MissingExtraError

__all__ = ["Engine", "checked_engine", "each_done"]

Engine = Literal["serial", "processes", "dask"]

T = TypeVar("T")
R = TypeVar("R")


def checked_engine(engine: Engine | None, *, jobs: int, scheduler: str | None) -> Engine:
    """The engine that is meant: ``None`` is Dask where a scheduler is named, else processes where there are several jobs.

    Raises:
        DataError: The words contradict each other.
    """
    chosen = engine or ("dask" if scheduler else "processes" if jobs > 1 else "serial")
    if chosen not in get_args(Engine):
        raise DataError(f"an engine is one of {', '.join(get_args(Engine))}, got {engine!r}")
    if jobs < 1:
        raise DataError(f"jobs must be at least 1, got {jobs!r}")
    if scheduler is not None and chosen != "dask":
        raise DataError(f"a scheduler belongs to the engine dask, got {chosen}; leave out --engine or --scheduler")
    if chosen == "serial" and jobs > 1:
        raise DataError(f"the engine serial has one job, got {jobs}; use processes or dask")
    return chosen


def each_done(
    work: Callable[[T], R], tasks: Sequence[T], *, engine: Engine = "serial", jobs: int = 1, scheduler: str | None = None
) -> Iterator[R]:
    """The results of ``work`` on each task, in the order they are done.

    Args:
        work: A function that can be pickled.
        tasks: What it works on; each can be pickled.
        engine: Where.
        jobs: Processes, on this machine.
        scheduler: Address of a running Dask cluster (``tcp://…``), whose workers see the same files; without one, Dask starts
            a cluster of ``jobs`` processes here.
    """
    if engine == "serial":
        return map(work, tasks)
    if engine == "processes":
        return _processes(work, tasks, jobs)
    return _dask(work, tasks, jobs, scheduler)


def _processes(work: Callable[[T], R], tasks: Sequence[T], jobs: int) -> Iterator[R]:
    from joblib import Parallel, delayed

    results: Iterator[R] = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)(delayed(work)(t) for t in tasks)
    return results


def _dask(work: Callable[[T], R], tasks: Sequence[T], jobs: int, scheduler: str | None) -> Iterator[R]:
    try:
        from distributed import Client, LocalCluster, as_completed
    except ImportError:
        raise MissingExtraError("the engine dask needs Dask: pip install 'ecg-core[dask]'; or use --engine processes") from None

    def results() -> Iterator[Any]:
        if scheduler is None:
            # A thread per process: what the workers do holds the interpreter, and NumPy must not share it.
            with LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
                yield from _gathered(client)
            return
        try:
            client = Client(scheduler, timeout="10s")
        except (OSError, ValueError) as error:
            raise DataError(f"no Dask scheduler answers at {scheduler} ({error}); start one with `dask scheduler`") from None
        with client:
            yield from _gathered(client)

    def _gathered(client: Client) -> Iterator[Any]:
        futures = client.map(work, tasks, pure=False)
        for _, result in as_completed(futures, with_results=True):
            yield result

    return results()
