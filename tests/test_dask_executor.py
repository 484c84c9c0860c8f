from __future__ import annotations

import dataclasses
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from sparsesearch.dask_executor import DaskExecutor, count_workers
from sparsesearch.errors import DataError, EvaluationError, StudyError, WorkerError
from sparsesearch.executor import Assignment, Outcome, Report
from sparsesearch.inspection import Inspection
from sparsesearch.problems import AnalyticProblem
from sparsesearch.trial import Evaluation, Measurement
from tests.contracts.test_executors import assignment


def workers() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def test_every_slot_is_a_process_of_its_own_and_none_outlives_the_executor() -> None:
    executor = DaskExecutor(AnalyticProblem(), workers=2)
    assert executor.slots == 2
    started = workers()
    assert len(started) == 2
    executor.close()
    gone, alive = psutil.wait_procs(started, timeout=5)
    assert len(gone) == 2 and not alive


def test_a_trial_whose_worker_is_killed_again_and_again_fails_by_name() -> None:
    executor = DaskExecutor(AnalyticProblem(epoch_seconds=0.5), workers=1)
    try:
        executor.submit(assignment(0))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            event = executor.next_event(timeout=0.1)
            if isinstance(event, Outcome):
                break
            if event is not None:
                for worker in workers():
                    os.kill(worker.pid, signal.SIGKILL)
        assert isinstance(event, Outcome)
        assert isinstance(event.result, EvaluationError)
        assert "its worker process was killed" in str(event.result)
    finally:
        executor.close()


class Unseeded(AnalyticProblem):
    """Has other data in every process."""

    def inspect(self) -> Inspection:
        return dataclasses.replace(super().inspect(), data_fingerprint=f"{os.getpid()}")


def test_workers_that_load_other_data_end_the_search() -> None:
    executor = DaskExecutor(Unseeded(), workers=2)
    try:
        executor.inspect()
        with pytest.raises(DataError, match="the workers do not agree on the study"):
            for _ in range(50):
                executor.next_event(timeout=0.2)
    finally:
        executor.close()


class Killed(AnalyticProblem):
    """Takes its process along, as a memory limit does."""

    def inspect(self) -> Inspection:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_workers_killed_while_they_prepare_are_said() -> None:
    executor = DaskExecutor(Killed(), workers=1)
    try:
        with pytest.raises(WorkerError, match="died while they loaded .*fewer --workers"):
            executor.inspect()
    finally:
        executor.close()


class Prints(AnalyticProblem):
    def inspect(self) -> Inspection:
        print("loading", flush=True)
        return super().inspect()


def test_what_workers_print_is_no_result(capfd: pytest.CaptureFixture[str]) -> None:
    executor = DaskExecutor(Prints(), workers=1)
    executor.inspect()
    executor.close()
    printed = capfd.readouterr()
    assert "loading" not in printed.out
    assert "loading" in printed.err


def test_ctrl_c_does_not_reach_the_workers() -> None:
    executor = DaskExecutor(AnalyticProblem(epoch_seconds=0.2), workers=1)
    try:
        executor.inspect()
        executor.submit(assignment(0))
        for worker in workers():
            os.kill(worker.pid, signal.SIGINT)
        event = None
        while not isinstance(event, Outcome):
            event = executor.next_event(timeout=10)
            assert event is not None
        assert not isinstance(event.result, EvaluationError)
    finally:
        executor.close()


def test_no_port_listens_beyond_this_machine() -> None:
    executor = DaskExecutor(AnalyticProblem(), workers=1)
    try:
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        listening = {
            connection.laddr.ip
            for process in processes
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
    finally:
        executor.close()


def test_workers_are_counted() -> None:
    assert count_workers(3) == 3
    assert count_workers(None) >= 1
    with pytest.raises(StudyError, match="workers must be at least 1, got 0"):
        count_workers(0)
    with pytest.raises(StudyError, match="10000 workers need more memory than this machine has"):
        count_workers(10_000)


class CountsInspections(AnalyticProblem):
    """Says how many inspections run at the same time, by files in a folder."""

    def inspect(self) -> Inspection:
        folder = Path(os.environ["INSPECTIONS"])
        mine = folder / f"{os.getpid()}"
        mine.touch()
        time.sleep(0.3)
        crowd = len(list(folder.iterdir()))
        mine.unlink()
        return dataclasses.replace(super().inspect(), weights=crowd)


def test_the_first_worker_loads_the_data_alone(tmp_path: Path) -> None:
    executor = DaskExecutor(CountsInspections(), workers=3, environment={"INSPECTIONS": str(tmp_path)})
    try:
        assert executor.inspect().weights == 1
    finally:
        executor.close()


class SlowStart(AnalyticProblem):
    """Prepares for seconds in every process, and says in which one it evaluates."""

    def inspect(self) -> Inspection:
        time.sleep(4)
        return super().inspect()

    def evaluate(self, assignment: Assignment, report: Report) -> Evaluation:
        evaluation = super().evaluate(assignment, report)
        metrics = {**evaluation.measurement.metrics, "process": os.getpid()}
        return dataclasses.replace(evaluation, measurement=Measurement(metrics=metrics))


def test_no_evaluation_waits_behind_another_while_a_worker_is_free() -> None:
    executor = DaskExecutor(SlowStart(epoch_seconds=2.0), workers=2)
    try:
        executor.inspect()
        for number in range(2):
            executor.submit(assignment(number))
        processes = set()
        while len(executor._futures) > 0:
            event = executor.next_event(timeout=30)
            if isinstance(event, Outcome) and isinstance(event.result, Evaluation):
                processes.add(event.result.measurement.metrics["process"])
        assert len(processes) == 2
    finally:
        executor.close()
