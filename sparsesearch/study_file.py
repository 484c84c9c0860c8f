"""Study files: finding, loading and listing them, and overriding their settings."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from sparsesearch.errors import StudyError, close_names
from sparsesearch.space import Choice, Float, Int, SearchSpace, Value
from sparsesearch.study import Study, Training

STUDY_SETTINGS = ("seed",)


def load_study(name: str, *, settings: Mapping[str, str] | None = None) -> Study:
    """Study of that name from ``studies/`` here or among the shipped ones, or of the file at that path.

    Loading a study file runs it.

    Raises:
        StudyError: no such study, a file without one, a file that raises, or a setting that does not fit.
    """
    study = _study_of(_load_module(find_study_file(name)))
    return override(study, settings or {})


def find_study_file(name: str) -> Path:
    """Path of the study called ``name``; anything with a slash or ``.py`` is taken as a path."""
    if name.endswith(".py") or "/" in name:
        path = Path(name).expanduser()
        if not path.is_file():
            raise StudyError(f"there is no study file {name}", hint="`sparsesearch studies` lists those by name")
        return path.resolve()
    known = study_files()
    if name not in known:
        raise StudyError(f"there is no study {name!r}", hint=close_names(name, known))
    return known[name]


def study_files() -> dict[str, Path]:
    """Study files by name: those in ``./studies`` hide shipped ones of the same name."""
    folders = [*_shipped_folders(), Path("studies")]
    return {
        path.stem: path.resolve()
        for folder in folders
        for path in sorted(folder.glob("*.py"))
        if not path.stem.startswith("_")
    }


def describe(path: Path) -> str:
    """First line of a study file's docstring, read without running the file."""
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except (SyntaxError, UnicodeDecodeError, OSError) as error:
        return f"cannot be read: {error}"
    return text.partition("\n")[0]


def override(study: Study, settings: Mapping[str, str]) -> Study:
    """The same study with settings of its training, space or data replaced; values are texts.

    Ranges are written ``0.5..0.9``, choices ``1,10,100``.

    Raises:
        StudyError: an unknown setting or a value of the wrong type.
    """
    # The data first: they bring their own training, which the other settings change.
    study = _on_dataset(study, settings.get("dataset", study.dataset))
    training_names = [field.name for field in dataclasses.fields(Training)]
    space_names = [field.name for field in dataclasses.fields(SearchSpace)]
    training: dict[str, Any] = {}
    space: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    for name, text in settings.items():
        if name in training_names:
            training[name] = _parse_training(name, text)
        elif name in space_names:
            space[name] = parse_domain(name, text)
        elif name in STUDY_SETTINGS:
            changes[name] = _parse_number(name, text, int)
        elif name != "dataset":
            known = [*training_names, *space_names, *STUDY_SETTINGS, "dataset"]
            raise StudyError(f"study {study.name!r} has no setting {name!r}", hint=close_names(name, known))
    return dataclasses.replace(
        study,
        training=dataclasses.replace(study.training, **training),
        space=dataclasses.replace(study.space, **space),
        **changes,
    )


def parse_settings(texts: Iterable[str]) -> dict[str, str]:
    """``NAME=VALUE`` texts as a mapping.

    >>> parse_settings(["epochs=6", "dataset=mnist"])
    {'epochs': '6', 'dataset': 'mnist'}
    """
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise StudyError(f"--set takes NAME=VALUE, got {text!r}", hint="for example --set epochs=6")
        settings[name.strip()] = value.strip()
    return settings


def parse_domain(name: str, text: str) -> Float | Int | Choice | Value:
    """A fixed value, a range ``low..high`` or a choice ``a,b,c``.

    >>> parse_domain("final_sparsity", "0.5..0.9"), parse_domain("frequency", "1,10")
    (Float(low=0.5, high=0.9, log=False), Choice(values=(1, 10)))
    """
    if "," in text:
        return Choice(*(_parse_value(name, part) for part in text.split(",")))
    low, dots, high = text.partition("..")
    if not dots:
        return _parse_value(name, text)
    ends = _parse_value(name, low), _parse_value(name, high)
    if isinstance(ends[0], str) or isinstance(ends[1], str):
        raise StudyError(f"{name} needs numbers in its range, got {text!r}", hint=f"--set {name}=0.1..0.9")
    if isinstance(ends[0], int) and isinstance(ends[1], int) and name == "frequency":
        return Int(ends[0], ends[1])
    return Float(float(ends[0]), float(ends[1]))


def _shipped_folders() -> Iterator[Path]:
    package = Path(__file__).resolve().parent
    # Inside a wheel the studies lie in the package, in a checkout beside it.
    yield from (folder for folder in (package.parent / "studies", package / "studies") if (folder / "cnn.py").is_file())


def _load_module(path: Path) -> ModuleType:
    name = f"sparsesearch_study_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StudyError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses defined in the file look themselves up here
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)  # helpers beside the file, as for a script
    try:
        spec.loader.exec_module(module)
    except StudyError:
        raise
    except (Exception, SystemExit) as error:
        raise StudyError(
            f"study file {path} raised {type(error).__name__}: {error}", hint=_line_in(path, error)
        ) from error
    # Workers cannot import the file by its made-up name: its functions travel whole.
    cloudpickle.register_pickle_by_value(module)
    return module


def _line_in(path: Path, error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return ""  # its text says the line
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"line {lines[-1]}" if lines else ""


def _study_of(module: ModuleType) -> Study:
    study = getattr(module, "study", None)
    if not isinstance(study, Study):
        found = "nothing of that name" if study is None else f"a {type(study).__name__}"
        raise StudyError(
            f"{module.__file__} must define `study = Study(...)`, found {found}",
            hint="studies/cnn.py is an example",
        )
    with contextlib.suppress(AttributeError, IndexError):
        described = (module.__doc__ or "").strip().splitlines()[0]
        study = dataclasses.replace(study, description=study.description or described)
    return study


def _on_dataset(study: Study, name: str) -> Study:
    """The study on its variant of that name, with the variant's training."""
    if name == study.dataset:
        return study
    if name not in study.variants:
        known = [study.dataset, *study.variants]
        raise StudyError(
            f"study {study.name!r} has no data set {name!r}",
            hint=close_names(name, known) if study.variants else "add it to the study file: variants={...}",
        )
    variant = study.variants[name]
    return dataclasses.replace(study, load_data=variant.load_data, training=variant.training, data_name=name)


def _parse_training(name: str, text: str) -> Any:
    if name in ("epochs", "batch_size"):
        return _parse_number(name, text, int)
    if name == "from_logits":
        if text not in ("true", "false"):
            raise StudyError(f"from_logits must be true or false, got {text!r}", hint="--set from_logits=true")
        return text == "true"
    if name == "learning_rate":
        return _parse_number(name, text, float)
    return tuple(text.split(",")) if name == "metrics" else text


def _parse_number(name: str, text: str, kind: type[int] | type[float]) -> float:
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise StudyError(f"{name} must be {what}, got {text!r}", hint=f"--set {name}=VALUE") from None


def _parse_value(name: str, text: str) -> Value:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    if name != "schedule":
        raise StudyError(
            f"{name} must be a number, a range or a choice, got {text!r}",
            hint=f"--set {name}=0.9, --set {name}=0.5..0.9 or --set {name}=0.5,0.9",
        )
    return text.strip()
