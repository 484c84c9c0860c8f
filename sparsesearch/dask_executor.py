"""Trials in worker processes of a Dask cluster on this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import queue
import signal
import tempfile
import warnings
from collections.abc import Callable, Mapping
from typing import Any, cast

import cloudpickle
import dask
from dask.system import CPU_COUNT
from distributed import Client, Future, LocalCluster, WorkerPlugin, get_worker
from distributed.scheduler import KilledWorker

from sparsesearch.errors import DataError, EvaluationError, StudyError, WorkerError
from sparsesearch.executor import Assignment, EpochEnd, Evaluator, Outcome
from sparsesearch.inspection import Inspection
from sparsesearch.process import memory_bytes
from sparsesearch.trial import Evaluation

EPOCHS_TOPIC = "sparsesearch-epochs"
PLUGIN = "sparsesearch"
WORKER_BYTES = 10**9  # memory of a worker that has imported TensorFlow and trains something small
# Dask pauses a worker over a memory limit and waits for ever; end it instead, then its trial fails by name.
SETTINGS = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.scheduler.allowed-failures": 2,
    # A task bound to a worker that is gone for good fails instead of waiting for ever.
    "distributed.scheduler.no-workers-timeout": "60s",
    # Converting a model holds the interpreter for seconds; that is no reason for a warning.
    "distributed.admin.tick.limit": "1h",
    "distributed.comm.timeouts.connect": "60s",
    # Dask takes a task for short until one is done, and would queue the second behind the first for minutes. It
    # knows our `_evaluate` without the underscore.
    "distributed.scheduler.default-task-durations": {"evaluate": "1h"},
    # glibc reads these when a process starts: one heap, and large buffers given back, keep training in less memory.
    "distributed.nanny.pre-spawn-environ.MALLOC_ARENA_MAX": 1,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 2**20,
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 2**20,
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
        with contextlib.ExitStack() as stack:
            stack.enter_context(dask.config.set(SETTINGS))
            # TensorFlow leaves files behind in the temporary folder of a process that is killed.
            folder = tempfile.TemporaryDirectory(prefix="sparsesearch-", ignore_cleanup_errors=True)
            scratch = stack.enter_context(folder)
            self._cluster = stack.enter_context(
                LocalCluster(
                    n_workers=self._slots,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",  # a fixed port would be taken when two searches run
                    env={**(environment or {}), "TMPDIR": scratch},
                    local_directory=scratch,
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
        self._preparing = [self._on(address, _warm) for address in addresses]
        first = self._client.submit(_inspect, pure=False)
        try:
            found: Inspection = first.result()
        except KilledWorker as error:
            raise WorkerError(
                "the worker processes died while they loaded the model and the data",
                hint="mostly because memory ran out: try a smaller model or batch, or fewer --workers",
            ) from error
        ready = next(iter(self._client.who_has([first]).values()), ())
        # Trials queue behind these.
        others = [self._on(address, _inspect) for address in addresses if address not in ready]
        for future in others:
            future.add_done_callback(lambda done: self._compare(found, done))
        self._preparing += others
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

    def _on(self, address: str, function: Callable[[], object]) -> Future[Any]:
        future: Future[Any] = self._client.submit(function, workers=[address], pure=False)
        return future

    def _compare(self, found: Inspection, future: Future[Any]) -> None:
        if future.cancelled() or future.exception() is not None:
            return  # the first trial there meets the same error and reports it, or the worker is gone
        other = future.result()
        if other.identity() != found.identity():
            self._events.put(
                DataError(
                    "the workers do not agree on the study: load_data or build_model gives something else every time",
                    hint="give its random numbers a fixed seed",
                )
            )

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
        os.dup2(2, 1)  # stdout belongs to the driver's results
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
    """Number of worker processes: as asked for, else one per core that this process, or its container, may use.

    Raises:
        StudyError: ``asked`` is below 1, or more than the memory of this machine can hold.
    """
    most = max(memory_bytes() // WORKER_BYTES, 1)
    if asked is None:
        return min(max(int(CPU_COUNT), 1), most)
    if asked < 1:
        raise StudyError(f"workers must be at least 1, got {asked}")
    if asked > most:
        raise StudyError(
            f"{asked} workers need more memory than this machine has: each takes {WORKER_BYTES / 1e9:.0f} GB at least",
            hint=f"at most {most}; more workers than cores are no faster",
        )
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
