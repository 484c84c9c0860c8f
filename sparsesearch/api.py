"""What the command line does, as functions: put storage, workers and tracker together and search."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from sparsesearch.errors import OutputError, StudyError
from sparsesearch.executor import Evaluator, Executor
from sparsesearch.inspection import Inspection
from sparsesearch.record import StudyRecord
from sparsesearch.search import ATTEMPTS, Event, search
from sparsesearch.study import Study
from sparsesearch.tracking import NullTracker

if TYPE_CHECKING:
    from sparsesearch.comparison import Comparison
    from sparsesearch.mlflow_tracker import MlflowTracker

DEFAULT_STORAGE = "sqlite:///optuna.db"
DEFAULT_TRACKING = "sqlite:///mlflow.db"
ARTIFACTS = Path("mlartifacts")
REPORTS = Path("reports")


class Observer(Protocol):
    """Is told how a search goes on; the terminal's views are such."""

    def notice(self, text: str) -> None:
        """Something a person may want to know."""
        ...

    def begin(self, study: Study, inspection: Inspection, record: StudyRecord, trials: int) -> None:
        """The search starts from ``record`` towards ``trials`` finished trials."""
        ...

    def event(self, event: Event) -> None:
        """A trial started or ended, or an epoch did."""
        ...

    def end(self) -> None:
        """The search is over, one way or another."""
        ...


class Silence:
    """An observer that keeps quiet."""

    def notice(self, text: str) -> None:
        """See `Observer.notice`."""

    def begin(self, study: Study, inspection: Inspection, record: StudyRecord, trials: int) -> None:
        """See `Observer.begin`."""

    def event(self, event: Event) -> None:
        """See `Observer.event`."""

    def end(self) -> None:
        """See `Observer.end`."""


def optimize(
    study: Study,
    *,
    trials: int | None = None,
    timeout: float | None = None,
    sampler: str = "tpe",
    workers: int | None = None,
    storage: str = DEFAULT_STORAGE,
    tracking: str | None = None,
    fresh: bool = False,
    reports: Path | None = REPORTS,
    tensorboard: Path | None = None,
    observer: Observer | None = None,
    evaluator: Evaluator | None = None,
    stop: threading.Event | None = None,
) -> StudyRecord:
    """Search ``study`` until it has ``trials`` finished trials, and say what was found.

    A search that was interrupted, or had fewer trials, is continued. Ctrl-C once gives up the running
    trials and returns what is finished; twice, or before the search has begun, it raises KeyboardInterrupt.

    Args:
        study: what to search, see `load_study`.
        trials: finished trials in all, those of earlier searches included; default ``study.trials``, or with
            the sampler "attempts" as many as there are attempts.
        timeout: seconds after which no trial is started any more; running ones are finished.
        sampler: "tpe", "nsga2" or "random", or "attempts" for the study's named candidates and no others.
        workers: processes that train, default one per core.
        storage: URL of Optuna's database.
        tracking: MLflow tracking URI, default ``MLFLOW_TRACKING_URI`` or a local database; "" tracks nowhere.
        fresh: start a new search beside earlier ones of this study.
        reports: folder for the report ``<study>.html``, None for no report.
        tensorboard: folder for TensorBoard's logs of every training, below a folder of the search's name.
        observer: is told how the search goes on.
        evaluator: what evaluates a candidate, default a pruned Keras fit.
        stop: an event that ends the search when it is set; default one that Ctrl-C and SIGTERM set.

    Raises:
        SparsesearchError: anything the user has to mend; nothing that was finished is lost.
    """
    if trials is not None and trials < 1:
        raise StudyError(f"trials must be at least 1, got {trials}")
    if timeout is not None and timeout <= 0:
        raise StudyError(f"timeout must be above 0 seconds, got {timeout:g}")
    deadline = None if timeout is None else time.monotonic() + timeout
    watcher = observer or Silence()
    from sparsesearch.dask_executor import DaskExecutor, count_workers
    from sparsesearch.optuna_sampler import OptunaSampler, check_sampler
    from sparsesearch.optuna_storage import OptunaStorage

    check_sampler(sampler, study)
    slots = count_workers(workers)
    if reports is not None:
        make_folder(reports)
    if tensorboard is not None:
        _check_tensorboard()
        make_folder(tensorboard)
    opened = OptunaStorage(storage, create=True)
    name = opened.check(study, fresh=fresh)
    # With a trial left running there is something to do: close what a dead search left open.
    known = opened.read(name) if name in opened.names() else None
    if known and known.finished >= target(study, known, sampler=sampler, trials=trials) and not known.running:
        watcher.notice(f"{name} has {known.finished} finished trials already")
        return known
    with contextlib.ExitStack() as stack:
        stopping = stop or stack.enter_context(stop_on_signals())
        watcher.notice(f"study {study.name}: {study.description}" if study.description else f"study {study.name}")
        watcher.notice(
            f"starting {slots} worker process{'es' if slots > 1 else ''}; importing TensorFlow takes a while"
        )
        logs = None if tensorboard is None else (tensorboard / name).absolute()
        executor = DaskExecutor(evaluator or _keras_evaluator(study, logs), workers=slots, environment=_environment())
        stack.callback(executor.close)
        stack.callback(watcher.end)
        inspecting = _inspect(executor)
        tracker = _open_tracker(tracking)
        inspection = _wait(inspecting, stopping)
        memory = OptunaSampler(study, inspection, storage=opened, sampler=sampler, fresh=fresh)
        before = memory.record()
        total = target(study, before, sampler=sampler, trials=trials)
        watcher.begin(study, inspection, before, total)
        events = search(
            study,
            inspection=inspection,
            sampler=memory,
            executor=executor,
            tracker=tracker,
            trials=total,
            should_stop=stopping.is_set,
            should_start=lambda: deadline is None or time.monotonic() < deadline,
        )
        with contextlib.closing(events):
            for event in events:
                watcher.event(event)
    record = memory.record()
    if reports is not None and record.complete:
        path = write_report(record, opened.url, folder=reports)
        if not isinstance(tracker, NullTracker):
            tracker.attach_report(path)
    return record


def compare(
    study: Study,
    *,
    over: str,
    pairs: int = 10,
    workers: int | None = None,
    storage: str = DEFAULT_STORAGE,
    tracking: str | None = None,
    fresh: bool = False,
    observer: Observer | None = None,
    evaluator: Evaluator | None = None,
    stop: threading.Event | None = None,
) -> Comparison | None:
    """Train ``study`` with each value of the parameter ``over``, and compare them in pairs of equal seed.

    Every arm is trained ``pairs`` times. A comparison that was interrupted, or had fewer pairs, is continued;
    one that Ctrl-C ends gives None. The other arguments are those of `optimize`.

    Raises:
        SparsesearchError: anything the user has to mend; nothing that was finished is lost.
    """
    from sparsesearch.comparison import compare, comparison_study

    derived = comparison_study(study, over=over, pairs=pairs)
    with contextlib.ExitStack() as stack:
        stopping = stop or stack.enter_context(stop_on_signals())
        record = optimize(
            derived,
            sampler=ATTEMPTS,
            workers=workers,
            storage=storage,
            tracking=tracking,
            fresh=fresh,
            reports=None,
            observer=observer,
            evaluator=evaluator,
            stop=stopping,
        )
        interrupted = stopping.is_set() and record.missing(derived.attempts, seed=derived.seed)
    return None if interrupted else compare(record, derived, over=over)


def target(study: Study, record: StudyRecord, *, sampler: str = "tpe", trials: int | None = None) -> int:
    """Finished trials that a search aims at: those asked for, else the study's, or all of its attempts."""
    if sampler != ATTEMPTS:
        return study.trials if trials is None else trials
    everything = record.finished + len(record.missing(study.attempts, seed=study.seed))
    return everything if trials is None else min(trials, everything)


def read_study(name: str, *, storage: str = DEFAULT_STORAGE) -> StudyRecord:
    """What ``storage`` knows of the latest search of the study called ``name``; without TensorFlow.

    Raises:
        StorageError: no storage, or no such study in it.
    """
    from sparsesearch.optuna_storage import OptunaStorage

    opened = OptunaStorage(storage)
    return opened.read(opened.latest(name))


def write_report(record: StudyRecord, storage: str, *, folder: Path = REPORTS) -> Path:
    """Write ``<study>.html`` into ``folder`` and return its path.

    Raises:
        OutputError: the file cannot be written.
    """
    from sparsesearch.optuna_sampler import importances
    from sparsesearch.optuna_storage import OptunaStorage
    from sparsesearch.report_page import report_page

    page = report_page(record, importances(OptunaStorage(storage), record))
    make_folder(folder)
    path = folder / f"{record.name}.html"
    unfinished = path.with_suffix(".html.part")
    try:
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror}", hint="choose another folder") from error
    return path


def make_folder(folder: Path) -> None:
    """Make ``folder`` and see that files can be made in it, before hours are spent on what goes there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror}", hint="choose another folder") from error


def tracking_uri(asked: str | None = None) -> str:
    """The MLflow tracking URI to use: as asked for, else of the environment, else a database here."""
    return asked or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING


@contextlib.contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; the second raises KeyboardInterrupt."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _keras_evaluator(study: Study, tensorboard: Path | None) -> Evaluator:
    from sparsesearch.keras_evaluator import KerasEvaluator

    return KerasEvaluator(study, tensorboard=tensorboard)


def _check_tensorboard() -> None:
    if importlib.util.find_spec("tensorboard") is None:
        raise StudyError("TensorBoard is not installed, so it gets no logs", hint="pip install tensorboard")


def _environment() -> dict[str, str]:
    from sparsesearch.tensorflow_runtime import ENVIRONMENT

    return {name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()}


def _open_tracker(uri: str | None) -> NullTracker | MlflowTracker:
    if uri == "":
        return NullTracker()
    from sparsesearch.mlflow_tracker import MlflowTracker

    return MlflowTracker(tracking_uri(uri), artifacts=ARTIFACTS)


def _inspect(executor: Executor) -> Future[Inspection]:
    # Workers need many seconds to import TensorFlow; the driver opens its stores meanwhile.
    pool = ThreadPoolExecutor(max_workers=1)
    inspecting = pool.submit(executor.inspect)
    pool.shutdown(wait=False)
    return inspecting


def _wait(inspecting: Future[Inspection], stop: threading.Event) -> Inspection:
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            return inspecting.result(timeout=0.2)
    raise KeyboardInterrupt
