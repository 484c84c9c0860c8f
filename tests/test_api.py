from __future__ import annotations

from sparsesearch import optimize
from sparsesearch.api import Silence
from sparsesearch.optuna_sampler import OptunaSampler
from sparsesearch.optuna_storage import OptunaStorage
from sparsesearch.problems import AnalyticProblem, analytic_study
from sparsesearch.record import StudyRecord
from sparsesearch.trial import TrialStatus


class Listening(Silence):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def notice(self, text: str) -> None:
        self.heard.append(text)


def search(observer: Silence, url: str) -> StudyRecord:
    return optimize(
        analytic_study(), trials=2, workers=1, storage=url, tracking="", observer=observer, evaluator=AnalyticProblem()
    )


def test_a_finished_search_starts_no_worker(storage_url: str) -> None:
    first = search(Silence(), storage_url)
    listening = Listening()
    assert search(listening, storage_url) == first
    assert listening.heard == ["analytic has 2 finished trials already"]


def test_a_finished_search_still_closes_what_a_dead_one_left(storage_url: str) -> None:
    import socket

    search(Silence(), storage_url)
    sampler = OptunaSampler(analytic_study(), AnalyticProblem().inspect(), storage=OptunaStorage(storage_url))
    sampler._owner = f"{socket.gethostname()}:0:0"
    sampler.ask()
    assert [trial.status for trial in search(Silence(), storage_url).trials][-1] is TrialStatus.STOPPED
