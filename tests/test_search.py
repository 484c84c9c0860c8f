"""The loop, driven through the analytic problem, Optuna's storage in a file, no mocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import pytest

from sparsesearch import attempts
from sparsesearch.api import target
from sparsesearch.errors import StudyError, TrackingError
from sparsesearch.executor import EpochEnd, InlineExecutor
from sparsesearch.optuna_sampler import OptunaSampler, importances
from sparsesearch.optuna_storage import OptunaStorage
from sparsesearch.pareto import pareto_mask
from sparsesearch.problems import AnalyticProblem, analytic_study, front_accuracy
from sparsesearch.record import StudyRecord
from sparsesearch.search import Event, search
from sparsesearch.space import Choice, SearchSpace
from sparsesearch.study import Study
from sparsesearch.tracking import NullTracker
from sparsesearch.trial import BASELINE, Trial, TrialStatus

Searched = Callable[..., StudyRecord]


def sampler_for(study: Study, url: str, *, sampler: str = "random") -> OptunaSampler:
    return OptunaSampler(study, AnalyticProblem().inspect(), storage=OptunaStorage(url, create=True), sampler=sampler)


def run(
    study: Study, sampler: OptunaSampler, *, trials: int, problem: AnalyticProblem | None = None, **stop: object
) -> list[Event]:
    executor = InlineExecutor(problem or AnalyticProblem())
    return list(
        search(
            study, inspection=executor.inspect(), sampler=sampler, executor=executor,
            tracker=NullTracker(), trials=trials, **stop,  # type: ignore[arg-type]
        )
    )  # fmt: skip


def statuses(record: StudyRecord) -> list[TrialStatus]:
    return [trial.status for trial in record.trials]


def test_a_search_ends_at_its_number_of_trials(searched: Searched) -> None:
    record = searched(trials=9)
    assert statuses(record) == [TrialStatus.COMPLETE] * 9
    assert record.baseline is not None
    assert record.baseline.metrics["sparsity"] == 0


def test_the_front_is_what_no_trial_dominates(searched: Searched) -> None:
    record = searched(trials=15)
    mask = pareto_mask(record.losses(record.complete))
    expected = {trial.number for trial, kept in zip(record.complete, mask, strict=True) if kept}
    assert {trial.number for trial in record.front} == expected
    sizes = [trial.metrics["zipped_tflite_bytes"] for trial in record.front]
    assert sizes == sorted(sizes, reverse=True)


def test_no_trial_beats_the_known_front(searched: Searched) -> None:
    for trial in searched(trials=20).complete:
        assert trial.metrics["accuracy"] <= front_accuracy(trial.metrics["zipped_tflite_bytes"]) + 1e-9


def test_tpe_comes_closer_to_the_known_front_than_it_started(storage_url: str) -> None:
    study = analytic_study()
    sampler = sampler_for(study, storage_url, sampler="tpe")
    run(study, sampler, trials=60)
    volumes = sampler.record().hypervolume()
    assert volumes[-1] > volumes[9] + 0.01


def test_a_trial_starts_reports_its_epochs_and_ends(storage_url: str) -> None:
    study = analytic_study()
    events = run(study, sampler_for(study, storage_url), trials=1)
    kinds = [(type(event).__name__, event.number) for event in events]
    assert kinds == [
        ("Trial", BASELINE), *[("EpochEnd", BASELINE)] * 4, ("Trial", BASELINE),
        ("Trial", 0), *[("EpochEnd", 0)] * 4, ("Trial", 0),
    ]  # fmt: skip
    assert [event.epoch for event in events if isinstance(event, EpochEnd)] == [1, 2, 3, 4] * 2


def test_continuing_trains_nothing_twice(storage_url: str) -> None:
    study = analytic_study()
    run(study, sampler_for(study, storage_url), trials=5)
    first = sampler_for(study, storage_url).record()
    again = sampler_for(study, storage_url)
    events = run(study, again, trials=8)
    assert again.record().trials[:5] == first.trials
    assert {event.number for event in events} == {5, 6, 7}
    assert run(study, sampler_for(study, storage_url), trials=8) == []


def test_continuing_does_not_draw_the_same_candidates_again(storage_url: str) -> None:
    study = analytic_study()
    for trials in (4, 8):
        sampler = sampler_for(study, storage_url)
        run(study, sampler, trials=trials)
    candidates = [trial.candidate for trial in sampler.record().trials]
    assert len({str(candidate) for candidate in candidates}) == 8


def test_a_failed_evaluation_counts_and_the_search_goes_on(searched: Searched) -> None:
    record = searched(trials=20, problem=AnalyticProblem(fails_above=0.7))
    failed = [trial for trial in record.trials if trial.status is TrialStatus.FAILED]
    assert record.finished == 20
    assert failed and record.complete
    assert all(trial.reason == "loss is nan in epoch 4" and trial.measurement is None for trial in failed)


def test_a_bug_ends_the_search_and_leaves_nothing_running(storage_url: str) -> None:
    study = analytic_study()
    sampler = sampler_for(study, storage_url)
    with pytest.raises(ZeroDivisionError):
        run(study, sampler, trials=20, problem=AnalyticProblem(breaks_above=0.7))
    record = sampler.record()
    assert statuses(record)[-1] is TrialStatus.STOPPED
    assert TrialStatus.RUNNING not in statuses(record)


def test_a_failing_baseline_is_the_users_to_mend(storage_url: str) -> None:
    study = analytic_study()
    with pytest.raises(StudyError, match="dense baseline of study 'analytic' failed: loss is nan"):
        run(study, sampler_for(study, storage_url), trials=3, problem=AnalyticProblem(fails_above=-1.0))


def test_equal_schedules_are_trained_once(storage_url: str) -> None:
    # One value for all but the frequency, and all frequencies are longer than the training.
    study = analytic_study(space=SearchSpace(schedule="constant", final_sparsity=0.8, frequency=Choice(500, 600, 700)))
    sampler = sampler_for(study, storage_url)
    events = run(study, sampler, trials=6)
    record = sampler.record()
    assert [trial.same_as for trial in record.trials] == [None, 0, 0, 0, 0, 0]
    assert len({str(trial.metrics) for trial in record.trials}) == 1
    assert {event.number for event in events if isinstance(event, EpochEnd)} == {BASELINE, 0}
    assert [trial.number for trial in record.front] == [0]


def test_what_is_done_when_a_search_is_stopped_is_not_given_up(storage_url: str) -> None:
    study = analytic_study()
    sampler = sampler_for(study, storage_url)
    executor = InlineExecutor(AnalyticProblem())
    stop: list[bool] = []
    for event in search(
        study, inspection=executor.inspect(), sampler=sampler, executor=executor, tracker=NullTracker(), trials=5,
        should_stop=lambda: bool(stop),
    ):  # fmt: skip
        if isinstance(event, EpochEnd) and event.number == 1:
            stop.append(True)  # its outcome waits in the executor already
    assert statuses(sampler.record()) == [TrialStatus.COMPLETE] * 2


class FailingTracker(NullTracker):
    """Cannot be reached any more from the end of trial 1 on."""

    def finish(self, trial: Trial, files: Mapping[str, bytes]) -> None:
        if trial.number >= 1:
            raise TrackingError("the server is away")


def test_a_tracker_that_fails_leaves_nothing_running_in_the_storage(storage_url: str) -> None:
    study = analytic_study()
    sampler = sampler_for(study, storage_url)
    executor = InlineExecutor(AnalyticProblem())
    events = search(
        study, inspection=executor.inspect(), sampler=sampler, executor=executor, tracker=FailingTracker(), trials=5
    )
    with pytest.raises(TrackingError, match="the server is away"):
        list(events)
    assert statuses(sampler.record()) == [TrialStatus.COMPLETE] * 2


def test_an_interrupted_trial_is_given_up_and_repeated(storage_url: str) -> None:
    study = analytic_study()
    sampler = sampler_for(study, storage_url)
    executor = InlineExecutor(AnalyticProblem())
    events = search(
        study, inspection=executor.inspect(), sampler=sampler, executor=executor, tracker=NullTracker(), trials=9
    )
    for event in events:
        if event.number == 2:
            break
    events.close()
    stopped = sampler.record().trials[-1]
    assert (stopped.number, stopped.status, stopped.reason) == (2, TrialStatus.STOPPED, "interrupted")
    resumed = sampler_for(study, storage_url)
    run(study, resumed, trials=9)
    record = resumed.record()
    assert record.finished == 9
    assert record.trials[3].candidate == stopped.candidate


def test_trials_of_a_dead_process_are_repeated(storage_url: str) -> None:
    study = analytic_study()
    dead = sampler_for(study, storage_url)
    dead._owner = "another-pid:0:0".replace("another-pid", __import__("socket").gethostname())
    lost = dead.ask()
    resumed = sampler_for(study, storage_url)
    run(study, resumed, trials=2)
    first, second, _ = resumed.record().trials
    assert (first.status, first.reason) == (TrialStatus.STOPPED, "the search that ran it died")
    assert second.candidate == lost.candidate


def test_trials_of_a_living_process_are_left_alone(storage_url: str) -> None:
    study = analytic_study()
    sampler_for(study, storage_url).ask()
    assert statuses(sampler_for(study, storage_url).record()) == [TrialStatus.RUNNING]


def test_no_trial_starts_after_the_deadline(storage_url: str) -> None:
    study = analytic_study()
    sampler = sampler_for(study, storage_url)
    allowed = iter([True, True] + [False] * 99)
    run(study, sampler, trials=9, should_start=lambda: next(allowed))
    assert statuses(sampler.record()) == [TrialStatus.COMPLETE] * 2


ATTEMPTS = (
    attempts.polynomial(0.0, 0.99, frequency=7, name="outside"),
    attempts.constant(0.5),
    attempts.constant(0.5, name="the same again"),
)


def run_attempts(study: Study, url: str) -> StudyRecord:
    sampler = sampler_for(study, url, sampler="attempts")
    run(study, sampler, trials=target(study, sampler.record(), sampler="attempts"))
    return sampler.record()


def test_attempts_are_tried_as_they_are_and_once(storage_url: str, recwarn: pytest.WarningsRecorder) -> None:
    study = analytic_study(attempts=ATTEMPTS)
    record = run_attempts(study, storage_url)
    assert [trial.attempt for trial in record.trials] == ["outside", "const 0.5", "the same again"]
    assert [trial.candidate for trial in record.trials] == [attempt.candidate for attempt in ATTEMPTS]
    assert [trial.same_as for trial in record.trials] == [None, None, 1]
    assert record.trials[0].metrics["sparsity"] == 0.99, "the space ends at 0.98"
    assert run_attempts(study, storage_url) == record
    more = dataclasses.replace(study, attempts=(*ATTEMPTS, attempts.constant(0.6)))
    assert [trial.attempt for trial in run_attempts(more, storage_url).trials[3:]] == ["const 0.6"]
    assert not recwarn.list, "Optuna is not asked for values outside the space"


def test_a_sampler_goes_on_from_the_attempts(storage_url: str) -> None:
    study = analytic_study(attempts=ATTEMPTS)
    before = run_attempts(study, storage_url)
    sampler = sampler_for(study, storage_url, sampler="tpe")
    run(study, sampler, trials=14)
    record = sampler.record()
    assert record.trials[:3] == before.trials
    assert {trial.attempt for trial in record.trials[3:]} == {""}
    learnt = sampler._study.trials[1].params
    assert learnt["final_sparsity"] == 0.5 and learnt["frequency"] == 100
    assert "final_sparsity" not in sampler._study.trials[0].params


def test_an_attempt_outside_the_space_hides_no_parameter_from_the_importances(storage_url: str) -> None:
    study = analytic_study(attempts=ATTEMPTS)
    run_attempts(study, storage_url)
    sampler = sampler_for(study, storage_url, sampler="random")
    run(study, sampler, trials=12)
    found = importances(OptunaStorage(storage_url), sampler.record())
    assert found["zipped_tflite_bytes"]["final_sparsity"] > 0.8


def test_an_interrupted_attempt_is_repeated_under_its_name(storage_url: str) -> None:
    study = analytic_study(attempts=ATTEMPTS)
    sampler = sampler_for(study, storage_url, sampler="attempts")
    executor = InlineExecutor(AnalyticProblem())
    events = search(
        study, inspection=executor.inspect(), sampler=sampler, executor=executor, tracker=NullTracker(), trials=3
    )
    for event in events:
        if event.number == 0:
            break
    events.close()
    assert statuses(sampler.record()) == [TrialStatus.STOPPED]
    record = run_attempts(study, storage_url)
    assert record.finished == 3
    assert sorted(trial.attempt for trial in record.complete) == sorted(attempt.name for attempt in ATTEMPTS)


def test_two_searches_share_the_attempts_and_invent_none(storage_url: str) -> None:
    study = analytic_study(attempts=ATTEMPTS)
    one, other = (sampler_for(study, storage_url, sampler="attempts") for _ in range(2))
    asked = [sampler.ask() for sampler in (one, other, one, other, one)]
    assert [trial.attempt if trial else None for trial in asked] == [
        "outside",
        "const 0.5",
        "the same again",
        None,
        None,
    ]


def test_what_another_sampler_left_stopped_is_no_attempt(storage_url: str) -> None:
    study = analytic_study(attempts=ATTEMPTS)
    sampler = sampler_for(study, storage_url)
    asked = sampler.ask()
    assert asked is not None
    sampler.tell(dataclasses.replace(asked, status=TrialStatus.STOPPED))
    assert [trial.attempt for trial in run_attempts(study, storage_url).complete] == [one.name for one in ATTEMPTS]
    again = sampler_for(study, storage_url).ask()
    assert again is not None and again.candidate == asked.candidate


def test_attempts_have_the_seed_they_ask_for(storage_url: str) -> None:
    seeded = tuple(dataclasses.replace(ATTEMPTS[1], name=f"seed {seed}", seed=seed) for seed in (3, 4))
    record = run_attempts(analytic_study(attempts=seeded), storage_url)
    assert [(trial.seed, trial.same_as) for trial in record.trials] == [(3, None), (4, None)]
