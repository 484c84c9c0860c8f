"""Trials in worker processes of a Dask cluster on this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import queue
import signal
import warnings
from collections.abc import Mapping
from typing import Any, cast

import cloudpickle
from distributed import Client, Future, LocalCluster, WorkerPlugin, get_worker
from distributed.scheduler import KilledWorker

from sparsesearch.errors import EvaluationError, StudyError
from sparsesearch.executor import Assignment, EpochEnd, Evaluator, Outcome
from sparsesearch.inspection import Inspection
from sparsesearch.trial import Evaluation

EPOCHS_TOPIC = "sparsesearch-epochs"
PLUGIN = "sparsesearch"
CLOSE_SECONDS = 10
# Dask pauses a worker over a memory limit and waits for ever; end it instead, then its trial fails by name.
SETTINGS = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.scheduler.allowed-failures": 2,
    # Converting a model holds the interpreter for seconds; that is no reason for a warning.
    "distributed.admin.tick.limit": "1h",
    "distributed.comm.timeouts.connect": "60s",
}


class DaskExecutor:
    """Implements `sparsesearch.executor.Executor` with one process per worker, one thread each.

    The evaluator travels to every worker once and stays there, with whatever it prepared.

    Args:
        workers: processes, at least 1; None starts one per core.
        environment: variables of the workers' processes.

    Raises:
        StudyError: fewer than one worker.
    """

    def __init__(
        self, evaluator: Evaluator, *, workers: int | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self._slots = count_workers(workers)
        self._events: queue.SimpleQueue[EpochEnd | Outcome | BaseException] = queue.SimpleQueue()
        self._futures: dict[int, Future[Any]] = {}
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        import dask

        with contextlib.ExitStack() as stack:
            stack.enter_context(dask.config.set(SETTINGS))
            self._cluster = stack.enter_context(
                LocalCluster(
                    n_workers=self._slots,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address=None,
                    env=dict(environment or {}),
                    silence_logs=logging.CRITICAL,
                )
            )
            self._client = stack.enter_context(Client(self._cluster, set_as_default=False))
            self._client.subscribe_topic(EPOCHS_TOPIC, self._on_epoch)
            self._client.register_plugin(_Host(cloudpickle.dumps(evaluator)), name=PLUGIN)
            self._resources = stack.pop_all()

    @property
    def slots(self) -> int:
        """See `Executor.slots`."""
        return self._slots

    def inspect(self) -> Inspection:
        """See `Executor.inspect`.

        The first worker loads the data alone: what it downloads is there for the others.
        """
        addresses = list(self._client.scheduler_info(n_workers=-1)["workers"])
        first, *others = addresses
        warming = [self._client.submit(_warm, workers=[address], pure=False) for address in others]
        found: Inspection = self._client.submit(_inspect, workers=[first], pure=False).result()
        # Trials queue behind these.
        self._preparing = warming + [self._client.submit(_inspect, workers=[address], pure=False) for address in others]
        return found

    def submit(self, assignment: Assignment) -> None:
        """See `Executor.submit`."""
        future = self._client.submit(_evaluate, assignment, pure=False)
        self._futures[assignment.number] = future
        future.add_done_callback(lambda done: self._events.put(self._outcome(assignment.number, done)))

    def next_event(self, timeout: float) -> EpochEnd | Outcome | None:
        """See `Executor.next_event`."""
        try:
            event = self._events.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(event, BaseException):
            raise event
        if isinstance(event, Outcome):
            self._futures.pop(event.number, None)
        return event

    def close(self) -> None:
        """See `Executor.close`; running evaluations are killed with their processes."""
        for future in self._futures.values():
            with contextlib.suppress(Exception):
                future.cancel()
        self._futures.clear()
        with warnings.catch_warnings(), contextlib.suppress(TimeoutError):
            warnings.simplefilter("ignore")
            self._resources.close()

    def _on_epoch(self, event: tuple[float, dict[str, Any]]) -> None:
        _, message = event
        self._events.put(EpochEnd(**message["epoch_end"]))

    def _outcome(self, number: int, future: Future[Any]) -> Outcome | BaseException:
        if future.cancelled():
            return Outcome(number=number, result=EvaluationError("cancelled"))
        error = future.exception()
        if error is None:
            return Outcome(number=number, result=future.result())
        if isinstance(error, KilledWorker):
            return Outcome(number=number, result=EvaluationError("its worker process was killed, three times over"))
        if isinstance(error, EvaluationError):
            return Outcome(number=number, result=error)
        raised: BaseException = error.with_traceback(future.traceback())
        return raised


class _Host(WorkerPlugin):
    """Holds the evaluator of one worker process."""

    def __init__(self, pickled: bytes) -> None:
        self._pickled = pickled

    def setup(self, worker: Any) -> None:
        # Ctrl-C reaches every process of the terminal; the driver alone decides what it means.
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.evaluator: Evaluator | None = None

    def prepared(self) -> Evaluator:
        """The evaluator, unpickled in the thread that will use it."""
        if self.evaluator is None:
            self.evaluator = cloudpickle.loads(self._pickled)
        return self.evaluator


def count_workers(asked: int | None) -> int:
    """Number of worker processes: as asked for, else one per core that this process may use.

    Raises:
        StudyError: ``asked`` is below 1.
    """
    if asked is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if asked < 1:
        raise StudyError(f"workers must be at least 1, got {asked}")
    return asked


def _warm() -> None:
    _host().prepared().warm()


def _inspect() -> Inspection:
    return _host().prepared().inspect()


def _evaluate(assignment: Assignment) -> Evaluation:
    worker = get_worker()

    def report(event: EpochEnd) -> None:
        # Dask sends plain values only, and adds its own to the outer mapping.
        worker.log_event(EPOCHS_TOPIC, {"epoch_end": dataclasses.asdict(event)})

    return _host().prepared().evaluate(assignment, report)


def _host() -> _Host:
    return cast(_Host, get_worker().plugins[PLUGIN])
