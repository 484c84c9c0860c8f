from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from sparsesearch.errors import StorageError, StudyError
from sparsesearch.optuna_sampler import OptunaSampler, importances
from sparsesearch.optuna_storage import ATTRIBUTE, OptunaStorage
from sparsesearch.problems import AnalyticProblem, analytic_study
from sparsesearch.record import StudyRecord
from sparsesearch.space import Int

Searched = Callable[..., StudyRecord]
INSPECTION = AnalyticProblem().inspect()


def test_a_record_is_read_back_as_it_was_written(searched: Searched, storage_url: str) -> None:
    record = searched(trials=3)
    assert OptunaStorage(storage_url).read("analytic") == record
    assert record.inspection == INSPECTION
    assert record.definition == analytic_study().definition() | INSPECTION.identity()


def test_optuna_sees_the_study_with_names_and_values(searched: Searched, storage_url: str) -> None:
    record = searched(trials=2)
    study = optuna.load_study(study_name="analytic", storage=storage_url)
    assert study.metric_names == ["accuracy", "zipped_tflite_bytes"]
    assert study.trials[1].values == [record.trials[1].metrics[name] for name in study.metric_names]


def test_a_changed_study_is_refused_saying_what_differs(searched: Searched, storage_url: str) -> None:
    searched(trials=1)
    storage = OptunaStorage(storage_url)
    changed = analytic_study(seed=7)
    with pytest.raises(StorageError, match=r"defined differently: seed was 0 and is now 7 .*--fresh"):
        storage.check(changed, fresh=False)
    assert storage.check(changed, fresh=True) == "analytic-2"
    assert storage.check(analytic_study(), fresh=False) == "analytic"


def test_changed_data_are_refused_once_they_are_known(searched: Searched, storage_url: str) -> None:
    searched(trials=1)
    storage = OptunaStorage(storage_url)
    other = replace(INSPECTION, data_fingerprint="changed")
    storage.check(analytic_study(), fresh=False)
    with pytest.raises(StorageError, match="data was none and is now changed"):
        storage.check(analytic_study(), fresh=False, inspection=other)


def test_a_fresh_search_lies_beside_and_is_the_newest(searched: Searched, storage_url: str) -> None:
    searched(trials=1)
    storage = OptunaStorage(storage_url)
    OptunaSampler(analytic_study(seed=7), INSPECTION, storage=storage, fresh=True)
    assert storage.names() == ["analytic", "analytic-2"]
    assert storage.latest("analytic") == storage.latest("analytic-2") == "analytic-2"
    assert storage.latest("analytic-1") == "analytic"
    assert len(storage.read("analytic").trials) == 1
    # Each definition finds the search it belongs to.
    assert storage.check(analytic_study(), fresh=False) == "analytic"
    assert storage.check(analytic_study(seed=7), fresh=False) == "analytic-2"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///nowhere/optuna.db", "cannot use the storage sqlite:///nowhere/optuna.db: unable to open"),
        ("sqlite:///:memory:", "forgets a search when it ends"),
        ("no-url", "'no-url' is not a database URL"),
        ("nosuch://host/db", "not a database URL"),
        ("postgresql://me:secret@127.0.0.1:1/db", "storage|driver"),
    ],
)
def test_unusable_storages_are_refused(url: str, message: str) -> None:
    with pytest.raises(StorageError, match=message) as caught:
        OptunaStorage(url, create=True)
    assert "secret" not in str(caught.value)


def test_a_damaged_database_is_refused_and_left_alone(tmp_path: Path, storage_url: str) -> None:
    path = tmp_path / "optuna.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StorageError, match="file is not a database"):
        OptunaStorage(storage_url, create=True)
    assert path.read_bytes().startswith(b"this is no database")


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path, storage_url: str) -> None:
    with sqlite3.connect(tmp_path / "optuna.db") as connection:
        connection.execute("create table invoices (id integer)")
    with pytest.raises(StorageError, match="belongs to another program: it holds the tables invoices"):
        OptunaStorage(storage_url, create=True)
    with sqlite3.connect(tmp_path / "optuna.db") as connection:
        assert [name for (name,) in connection.execute("select name from sqlite_master")] == ["invoices"]


def test_a_study_of_another_program_is_refused(storage_url: str) -> None:
    optuna.create_study(study_name="analytic", storage=storage_url).optimize(lambda trial: 1.0, n_trials=1)
    storage = OptunaStorage(storage_url)
    assert storage.names() == []
    with pytest.raises(StorageError, match="made by another program"):
        storage.check(analytic_study(), fresh=False)


def test_a_newer_schema_is_refused(searched: Searched, storage_url: str) -> None:
    searched(trials=1)
    study = optuna.load_study(study_name="analytic", storage=storage_url)
    study.set_user_attr(ATTRIBUTE, study.user_attrs[ATTRIBUTE] | {"schema": 99})
    with pytest.raises(StorageError, match=r"newer sparsesearch \(schema 99"):
        OptunaStorage(storage_url).read("analytic")


def test_reading_makes_no_database(tmp_path: Path, storage_url: str) -> None:
    with pytest.raises(StorageError, match="there is no search yet in .*`sparsesearch optimize` makes one"):
        OptunaStorage(storage_url)
    assert not (tmp_path / "optuna.db").exists()


def test_a_study_that_was_never_searched_offers_close_names(searched: Searched, storage_url: str) -> None:
    searched(trials=1)
    with pytest.raises(StorageError, match=r"no search of study 'analitic' .*did you mean analytic\?"):
        OptunaStorage(storage_url).latest("analitic")


def test_a_continued_search_is_the_latest_again(searched: Searched, storage_url: str) -> None:
    searched(trials=1)
    storage = OptunaStorage(storage_url)
    OptunaSampler(analytic_study(seed=7), INSPECTION, storage=storage, fresh=True)
    searched(trials=2)
    assert storage.latest("analytic") == "analytic"


def test_studies_that_are_named_like_versions_are_studies_of_their_own(storage_url: str) -> None:
    storage = OptunaStorage(storage_url, create=True)
    for name in ("mlp", "mlp-2"):
        OptunaSampler(analytic_study(name=name), INSPECTION, storage=storage)
    assert (storage.latest("mlp"), storage.latest("mlp-2")) == ("mlp", "mlp-2")
    assert storage.check(analytic_study(name="mlp", seed=3), fresh=True) == "mlp-3"


def test_a_study_cut_off_while_it_was_created_is_completed(storage_url: str) -> None:
    storage = OptunaStorage(storage_url, create=True)
    optuna.create_study(study_name="analytic", storage=storage_url, directions=["maximize", "minimize"])
    OptunaSampler(analytic_study(), INSPECTION, storage=storage)
    assert storage.names() == ["analytic"]


def test_a_whole_number_domain_is_not_a_real_one(searched: Searched, storage_url: str) -> None:
    searched(trials=1)
    study = analytic_study()
    changed = analytic_study(space=replace(study.space, power=Int(1, 5)))
    with pytest.raises(StorageError, match=r"space.power was 1.0..5.0 and is now 1..5"):
        OptunaStorage(storage_url).check(changed, fresh=False)


def test_an_unknown_sampler_is_refused(storage_url: str) -> None:
    with pytest.raises(StudyError, match=r"no sampler 'tpee' \(did you mean tpe\?\)"):
        OptunaSampler(analytic_study(), INSPECTION, storage=OptunaStorage(storage_url, create=True), sampler="tpee")


def test_importances_name_what_moves_each_objective(searched: Searched, storage_url: str) -> None:
    record = searched(trials=40)
    shares = importances(OptunaStorage(storage_url), record)
    assert max(shares["zipped_tflite_bytes"], key=lambda name: shares["zipped_tflite_bytes"][name]) == "final_sparsity"
    assert shares["accuracy"]["frequency"] < shares["accuracy"]["final_sparsity"]


def test_too_few_trials_have_no_importances(searched: Searched, storage_url: str) -> None:
    assert importances(OptunaStorage(storage_url, create=True), searched(trials=2)) == {}
