"""The command line in this process, on the analytic problem: no TensorFlow, no workers."""

from __future__ import annotations

import importlib.util
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from sparsesearch import cli
from sparsesearch.__main__ import main
from sparsesearch.record import StudyRecord

Searched = Callable[..., StudyRecord]


class Result(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[[str], Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(line: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["sparsesearch", *shlex.split(line)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        printed = capsys.readouterr()
        return Result(int(left.value.code or 0), printed.out, printed.err)

    return call


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("optimize --study cnnn", "error: there is no study 'cnnn' (did you mean cnn?)"),
        ("optimize --study cnn --trials 0", "error: trials must be at least 1, got 0"),
        ("optimize --study cnn --workers 0", "error: workers must be at least 1, got 0"),
        ("optimize --study cnn --sampler tpee", "error: there is no sampler 'tpee' (did you mean tpe?)"),
        ("optimize --study mine.py --sampler attempts", "error: study 'analytic' has no attempts (attempts="),
        ("compare --study cnn --over schedul", "error: there is no parameter 'schedul' to compare (did you mean schedule?)"),
        ("compare --study cnn --over end_fraction", "error: study 'cnn' fixes end_fraction at 1.0, so there is nothing to compare"),
        ("compare --study cnn --over schedule --pairs 1", "error: a comparison needs at least 2 pairs, got 1"),
        ("optimize --study cnn --set from_logits=yes", "error: from_logits must be true or false, got 'yes'"),
        ("optimize --study cnn --timeout soon", "error: --timeout must be a time above 0, got 'soon'"),
        ("optimize --study cnn --set epochs", "error: --set takes NAME=VALUE, got 'epochs'"),
        ("optimize --study cnn --set epoch=3", "error: study 'cnn' has no setting 'epoch' (did you mean epochs?)"),
        ("optimize --study cnn --set final_sparsity=87.5", "error: final_sparsity must be a fraction, above 0 and below 1"),
        ("optimize --study cnn --storage sqlite:///no/where.db", "error: cannot use the storage sqlite:///no/where.db: unable to open"),
        ("optimize --study cnn --storage optuna.db", "error: 'optuna.db' is not a database URL"),
        ("optimize --study cnn --reports /proc/nothing", "error: cannot write into /proc/nothing"),
        ("front --study cnn", "error: there is no search yet in sqlite:///optuna.db"),
        ("show --study cnn --trial 3", "error: there is no search yet in sqlite:///optuna.db"),
        ("report --study cnn", "error: there is no search yet"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_1(run: Run, line: str, message: str) -> None:
    Path("mine.py").write_text("from sparsesearch.problems import analytic_study\nstudy = analytic_study()")
    code, out, err = run(line)
    assert code == 1
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("optimise", "error: No such command 'optimise'"),
        ("show --study cnn", "error: Missing option '--trial'. (sparsesearch show --help says more)"),
        ("optimize --study cnn --trials x", "error: Invalid value for '--trials': "),
        ("optimize --study cnn more", "error: Got unexpected extra argument"),
        ("front --stdy cnn", "error: No such option: --stdy"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(run: Run, line: str, message: str) -> None:
    code, out, err = run(line)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_no_command_shows_the_help(run: Run) -> None:
    code, out, _ = run("")
    assert code == 0
    assert "optimize" in out and "front" in out


def test_a_bad_tracking_uri_is_refused_before_a_trial(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nosuch://host")
    code, _, err = run("optimize --study cnn --workers 1")
    assert code == 1
    assert "error: MLflow cannot use nosuch://host" in err
    assert "--no-tracking" in err


def test_a_folder_that_cannot_be_written_is_said_before_the_search(tmp_path: Path, run: Run) -> None:
    (tmp_path / "reports").write_text("a file, not a folder")
    code, _, err = run("optimize --study cnn")
    assert code == 1
    assert "cannot write into reports: File exists" in err


def test_front_trials_and_show_read_the_storage(searched: Searched, run: Run) -> None:
    record = searched(trials=8)
    code, out, err = run("front --study analytic")
    assert (code, err) == (0, "")
    assert f"{len(record.front)} of 8 complete trials" in out
    assert "no pruning" in out
    code, out, _ = run("trials --study analytic")
    rows = [
        line for line in out.splitlines() if line.split()[:1] in [["dense"], *([str(number)] for number in range(8))]
    ]
    assert len(rows) == 1 + 8
    best = record.front[0].number
    code, out, _ = run(f"show --study analytic --trial {best}")
    assert f"analytic, trial {best} " in out
    assert "only/kernel" in out
    assert "val_accuracy" in out


def test_json_is_the_same_and_nothing_else_on_stdout(searched: Searched, run: Run) -> None:
    record = searched(trials=8)
    front = json.loads(run("front --study analytic --json").out)
    assert [row["trial"] for row in front["trials"]] == [trial.number for trial in record.front]
    assert front["baseline"]["zipped_tflite_bytes"] == 100_001
    assert front["trials"][0]["times_smaller"] == pytest.approx(record.times_smaller(record.front[0]))
    every = json.loads(run("trials --study analytic --json").out)
    assert [row["trial"] for row in every["trials"]] == list(range(8))
    shown = json.loads(run("show --study analytic --trial 2 --json").out)
    assert shown["zeros"][0]["name"] == "only/kernel"
    assert len(shown["history"]) == 4


def test_failed_trials_are_listed_with_their_reason(searched: Searched, run: Run) -> None:
    from sparsesearch.problems import AnalyticProblem

    searched(trials=2, problem=AnalyticProblem(fails_above=0.1))
    assert "trial 1 failed: loss is nan in epoch 4" in run("trials --study analytic").err
    assert "no complete trial yet" in run("front --study analytic").out
    assert run("report --study analytic").err.startswith("error: study 'analytic' has no complete trial to report")


def test_fresh_searches_are_shown_by_their_names(searched: Searched, run: Run) -> None:
    searched(trials=2)
    searched(trials=3, fresh=True)
    shown = run("trials --study analytic --json")
    assert json.loads(shown.out)["study"] == "analytic-2"
    assert shown.err == "this is analytic-2, the latest search; --study analytic-1 is the first\n"
    assert json.loads(run("trials --study analytic-1 --json").out)["finished"] == 2


def test_a_file_may_give_its_study_another_name(searched: Searched, run: Run) -> None:
    searched(trials=1)
    Path("studies").mkdir()
    Path("studies/mine.py").write_text(
        "from sparsesearch.problems import analytic_study\nprint('hello')\nstudy = analytic_study()"
    )
    assert json.loads(run("front --study mine --json").out)["study"] == "analytic"
    assert json.loads(run("front --study studies/mine.py --json").out)["study"] == "analytic"


def test_a_trial_that_does_not_exist_is_refused(searched: Searched, run: Run) -> None:
    searched(trials=2)
    assert (
        run("show --study analytic --trial 7").err == "error: study 'analytic' has no trial 7 (it has trials 0 to 1)\n"
    )


def test_a_report_is_written_where_asked(searched: Searched, run: Run) -> None:
    searched(trials=5)
    code, out, _ = run("report --study analytic --reports here/there")
    assert (code, out) == (0, "here/there/analytic.html\n")
    assert Path("here/there/analytic.html").stat().st_size > 10**6


def test_studies_are_listed_with_a_line_each(run: Run) -> None:
    assert (
        "cnn          ConvNet of the pruning articles on handwritten digits, MNIST or Fashion-MNIST."
        in run("studies").out
    )


def test_the_version_is_the_packages(run: Run) -> None:
    assert run("--version").out.startswith("sparsesearch 0.")


def test_the_environment_file_never_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    import os

    (tmp_path / "mlflow.env").write_text(
        "MLFLOW_TRACKING_URI=sqlite:///from_file.db\nSPARSESEARCH_STORAGE=sqlite:///from_file.db\n"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///from_environment.db")
    monkeypatch.setenv("SPARSESEARCH_STORAGE", "")
    monkeypatch.delenv("SPARSESEARCH_STORAGE")
    assert "sqlite:///from_file.db" in run("front --study cnn").err
    assert os.environ["MLFLOW_TRACKING_URI"] == "sqlite:///from_environment.db"
    monkeypatch.delenv("SPARSESEARCH_STORAGE")


def test_reading_commands_load_no_tensorflow(searched: Searched) -> None:
    searched(trials=3)
    line = [
        "import sys; sys.argv = ['sparsesearch', 'front', '--study', 'analytic']",
        "from sparsesearch.__main__ import main",
        "try: main()",
        "except SystemExit: print([name for name in ('tensorflow', 'mlflow', 'distributed', 'plotly') if name in sys.modules])",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(line)], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")


def test_tensorboard_that_is_not_installed_is_said_before_the_search(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name))
    code, _, err = run("optimize --study cnn --tensorboard logs")
    assert (code, err) == (1, "error: TensorBoard is not installed, so it gets no logs (pip install tensorboard)\n")


def test_after_the_attempts_a_sampler_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["sparsesearch", "optimize", "--study", "mlp", "--sampler", "attempts"])
    assert cli._command_for_more(22) == "sparsesearch optimize --study mlp --trials 22"
    monkeypatch.setattr(sys, "argv", ["sparsesearch", "optimize", "--study", "mlp", "--sampler", "nsga2"])
    assert cli._command_for_more(22) == "sparsesearch optimize --study mlp --sampler nsga2 --trials 22"


def test_a_continuing_command_has_a_larger_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["sparsesearch", "optimize", "--study", "my study.py", "--trials", "8", "--fresh"])
    assert cli._command_for_more(16) == "sparsesearch optimize --study 'my study.py' --trials 16"
