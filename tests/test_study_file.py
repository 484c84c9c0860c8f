from __future__ import annotations

import dataclasses
import textwrap
from pathlib import Path

import pytest

from sparsesearch import Choice, Float, Int, SparsesearchError, load_study
from sparsesearch.errors import StudyError
from sparsesearch.study import differences
from sparsesearch.study_file import describe, override, parse_domain, study_files

MINE = '''
"""My own study."""
from sparsesearch import Float, SearchSpace, Study, Training, maximize

def build_model(): ...
def load_data(): ...

study = Study(
    name="mine", build_model=build_model, load_data=load_data, objectives=(maximize("accuracy"),),
    training=Training(epochs=1, batch_size=8, loss="mse", metrics=("accuracy",)),
    space=SearchSpace(final_sparsity=Float(0.5, 0.9)),
)
'''


def write(path: str, text: str) -> str:
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(textwrap.dedent(text))
    return path


def test_shipped_studies_load_by_name() -> None:
    study = load_study("cnn")
    assert (study.name, study.dataset) == ("cnn", "digits")
    assert study.description == "ConvNet of the pruning articles on handwritten digits, MNIST or Fashion-MNIST."


def test_a_file_is_a_study_and_its_docstring_the_description() -> None:
    study = load_study(write("anywhere.py", MINE))
    assert (study.name, study.description) == ("mine", "My own study.")


def test_studies_here_hide_shipped_ones() -> None:
    write("studies/cnn.py", MINE)
    assert study_files()["cnn"] == Path("studies/cnn.py").resolve()
    assert load_study("cnn").name == "mine"


def test_describing_a_file_does_not_run_it() -> None:
    path = write("boom.py", '"""Says so."""\nraise RuntimeError')
    assert describe(Path(path)) == "Says so."


def test_helpers_beside_a_study_file_can_be_imported() -> None:
    write("helper_of_mine.py", "EPOCHS = 3")
    path = write(
        "mine.py",
        MINE.replace("epochs=1", "epochs=EPOCHS").replace("def load", "from helper_of_mine import EPOCHS\ndef load"),
    )
    assert load_study(path).training.epochs == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", r"must define `study = Study\(\.\.\.\)`, found nothing of that name"),
        ("study = 3", "found a int"),
        ("\n\n1 / 0", r"raised ZeroDivisionError: division by zero \(line 3\)"),
        ("def f(:", r"raised SyntaxError: .* \(mine.py, line 1\)$"),
        ("import sys; sys.exit(0)", r"raised SystemExit: 0 \(line 1\)"),
        (MINE.replace('(maximize("accuracy"),)', 'maximize("accuracy")'), r"objectives must be a tuple .*\(maximize\(\"accuracy\"\),\)"),
        (MINE.replace("(0.5, 0.9)", "(50, 90)"), "must be a fraction"),
        (MINE.replace('maximize("accuracy")', 'maximize("acuracy")'), r"'acuracy' is not measured by study 'mine' .did you mean accuracy\?"),
        (MINE.replace('maximize("accuracy")', 'maximize("test_accuracy")'), "test metrics must not steer"),
        (MINE.replace('name="mine"', 'name="../mine"'), "got '../mine'"),
        (MINE.replace('name="mine"', 'name=".."'), "a letter or digit first, got '..'"),
        (MINE.replace('loss="mse"', "loss=None"), "loss must be a name that Keras knows, got None"),
        (MINE.replace("epochs=1", "epochs=0"), "epochs must be a whole number, at least 1, got 0"),
        (MINE.replace('metrics=("accuracy",)', 'metrics="accuracy"'), "metrics must be a tuple"),
    ],
)  # fmt: skip
def test_a_bad_study_file_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(SparsesearchError, match=message):
        load_study(write("mine.py", text))


def test_an_unknown_study_offers_close_names() -> None:
    with pytest.raises(StudyError, match=r"no study 'cnnn' \(did you mean cnn\?\)"):
        load_study("cnnn")
    with pytest.raises(StudyError, match="no study file missing.py"):
        load_study("missing.py")


def test_settings_are_overridden_with_their_types() -> None:
    study = load_study(
        "cnn",
        settings={
            "epochs": "3", "learning_rate": "0.002", "dataset": "mnist", "seed": "7", "metrics": "accuracy",
            "final_sparsity": "0.6..0.7", "frequency": "1,10", "begin_fraction": "0.25", "schedule": "constant",
        },
    )  # fmt: skip
    assert (study.training.epochs, study.training.learning_rate, study.seed, study.dataset) == (3, 0.002, 7, "mnist")
    assert study.space.final_sparsity == Float(0.6, 0.7)
    assert study.space.frequency == Choice(1, 10)
    assert (study.space.begin_fraction, study.space.schedule) == (0.25, "constant")


def test_a_range_of_frequencies_is_of_whole_numbers() -> None:
    assert parse_domain("frequency", "1..50") == Int(1, 50)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epoch", "3", r"no setting 'epoch' \(did you mean epochs\?\)"),
        ("epochs", "3.5", "epochs must be a whole number, got '3.5'"),
        ("epochs", "many", "epochs must be a whole number, got 'many'"),
        ("learning_rate", "fast", "learning_rate must be a number, got 'fast'"),
        ("learning_rate", "-1", "learning_rate must be above 0, got -1.0"),
        ("final_sparsity", "lots", "final_sparsity must be a number, a range or a choice, got 'lots'"),
        ("final_sparsity", "0.9..0.5", "reversed"),
        ("final_sparsity", "90", "90 % is written 0.9"),
        ("frequency", "1.5", "whole optimizer steps"),
        ("schedule", "linear", "must be one of constant, polynomial"),
        ("dataset", "mnits", r"study 'cnn' has no data set 'mnits' \(did you mean mnist\?\)"),
        ("seed", "-1", "seed must be a whole number from 0 to 4294967295, got -1"),
        ("seed", "5000000000", "got 5000000000"),
    ],
)
def test_settings_that_do_not_fit_are_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(SparsesearchError, match=message):
        override(load_study("cnn"), {name: value})


def test_a_study_without_variants_has_no_other_data() -> None:
    with pytest.raises(StudyError, match="study 'mine' has no data set 'mnist' .add it to the study file: variants="):
        load_study(write("mine.py", MINE), settings={"dataset": "mnist"})


def test_a_variant_brings_its_training_and_its_name() -> None:
    text = MINE.replace(
        "study = Study(",
        "other = lambda: None\nfrom sparsesearch import Variant\nstudy = Study(variants={'elsewhere': Variant(load_data=other, training=Training(epochs=9, batch_size=1, loss='mse', metrics=('accuracy',)))}, ",
        1,
    )
    study = load_study(write("mine.py", text), settings={"dataset": "elsewhere", "batch_size": "7"})
    assert (study.dataset, study.training.epochs, study.training.batch_size) == ("elsewhere", 9, 7)
    assert study.definition()["dataset"] == "elsewhere"
    with pytest.raises(StudyError, match="variant 'x' must be a Variant, got function"):
        dataclasses.replace(study, variants={"x": lambda: None})


def test_definitions_say_what_differs() -> None:
    before, now = load_study("cnn"), load_study("cnn", settings={"epochs": "3", "final_sparsity": "0.7..0.8"})
    assert differences(before.definition(), now.definition()) == [
        "space.final_sparsity was 0.7..0.98 and is now 0.7..0.8",
        "training.epochs was 12 and is now 3",
    ]
