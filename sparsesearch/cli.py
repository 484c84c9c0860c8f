"""The command line: every command parses, calls one function, and prints."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shlex
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparsesearch import api
from sparsesearch.api import DEFAULT_STORAGE, REPORTS
from sparsesearch.errors import StorageError, StudyError
from sparsesearch.search import ATTEMPTS
from sparsesearch.trial import TrialStatus

if TYPE_CHECKING:
    from rich.console import Console

    from sparsesearch.record import StudyRecord
    from sparsesearch.study import Study

INTERRUPTED = 130

app = typer.Typer(
    help="How sparse can a Keras model become before it is no longer good enough, and by which pruning schedule?",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

StudyOption = Annotated[
    str, typer.Option("--study", "-s", help="Name of a study, or path of a study file; the file is run.")
]
StorageOption = Annotated[str, typer.Option(help="URL of Optuna's database.", envvar="SPARSESEARCH_STORAGE")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Override a setting: epochs=6, dataset=mnist, final_sparsity=0.5..0.9, frequency=1,10.",
    ),
]
WorkersOption = Annotated[int | None, typer.Option(help="Processes that train (default: one per core).")]
NoTrackingOption = Annotated[bool, typer.Option("--no-tracking", help="Do not record in MLflow.")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Start a new search beside earlier ones of this study.")]
ReportsOption = Annotated[Path, typer.Option("--reports", help="Folder for the report.")]


@app.command()
def optimize(
    study: StudyOption,
    trials: Annotated[
        int | None,
        typer.Option(
            help="Finished trials in all, earlier ones included (default: the study's; with attempts, all of them)."
        ),
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(help="Start no trial after this time, for example 30m; running ones are finished.")
    ] = None,
    settings: SettingsOption = None,
    sampler: Annotated[
        str, typer.Option(help="tpe, nsga2, random, or attempts: the study's named candidates, each once.")
    ] = "tpe",
    workers: WorkersOption = None,
    storage: StorageOption = DEFAULT_STORAGE,
    no_tracking: NoTrackingOption = False,
    fresh: FreshOption = False,
    reports: ReportsOption = REPORTS,
    tensorboard: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for TensorBoard's logs: sparsity and threshold per kernel and epoch."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Search a study, or continue its search, up to a number of finished trials."""
    from sparsesearch.terminal import view_for

    console, notices = _consoles()
    loaded = _load(study, settings or [])
    with _stopping(notices) as stop:
        record = api.optimize(
            loaded,
            trials=trials,
            timeout=None if timeout is None else parse_duration(timeout),
            sampler=sampler,
            workers=workers,
            storage=storage,
            tracking="" if no_tracking else None,
            fresh=fresh,
            reports=reports,
            tensorboard=tensorboard,
            observer=view_for(notices),
            stop=stop,
        )
    total = api.target(loaded, record, sampler=sampler, trials=trials)
    unfinished = record.finished < total
    if as_json:
        print_json(record.to_json(record.front))
    else:
        _print_front(console, record)
        path = reports / f"{record.name}.html"
        if path.is_file():
            _note(console, f"\nreport:    {path}")
        if not no_tracking:
            _note(console, "MLflow UI: sparsesearch ui")
    if unfinished:
        _note(notices, f"{record.finished} of {total} trials are finished; to continue: {_continuing_command()}")
    elif not as_json:
        _note(console, f"go on:     {_command_for_more(2 * max(total, record.finished))}")
    if stop.is_set():
        raise typer.Exit(INTERRUPTED)
    if not record.complete and record.finished:
        reason = next(trial.reason for trial in record.trials if trial.status is TrialStatus.FAILED)
        raise StudyError(f"all {record.finished} trials failed; the first: {reason}")


@app.command()
def compare(
    study: StudyOption,
    over: Annotated[
        str, typer.Option(help="Parameter whose values are compared: its choices, or the ends of its range.")
    ],
    pairs: Annotated[int, typer.Option(help="Trainings of each value, by seed.")] = 10,
    settings: SettingsOption = None,
    workers: WorkersOption = None,
    storage: StorageOption = DEFAULT_STORAGE,
    no_tracking: NoTrackingOption = False,
    fresh: FreshOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the values of one parameter over many seeds, all else equal within a pair.

    What --set does not fix is drawn anew for each pair.
    """
    from sparsesearch.printing import print_comparison
    from sparsesearch.terminal import view_for

    console, notices = _consoles()
    loaded = _load(study, settings or [])
    with _stopping(notices) as stop:
        found = api.compare(
            loaded,
            over=over,
            pairs=pairs,
            workers=workers,
            storage=storage,
            tracking="" if no_tracking else None,
            fresh=fresh,
            observer=view_for(notices),
            stop=stop,
        )
    if found is None:
        _note(notices, f"interrupted; to continue: {_continuing_command()}")
        raise typer.Exit(INTERRUPTED)
    if as_json:
        print_json(found.to_json())
    else:
        print_comparison(console, found)


@app.command()
def front(study: StudyOption, storage: StorageOption = DEFAULT_STORAGE, as_json: JsonOption = False) -> None:
    """Show the Pareto front: the trials that no other trial beats in every objective."""
    record = _read(study, storage)
    if as_json:
        print_json(record.to_json(record.front))
    else:
        _print_front(_consoles()[0], record)


@app.command()
def trials(study: StudyOption, storage: StorageOption = DEFAULT_STORAGE, as_json: JsonOption = False) -> None:
    """Show every trial beside the dense baseline."""
    record = _read(study, storage)
    if as_json:
        print_json(record.to_json(record.trials))
        return
    from sparsesearch import tables
    from sparsesearch.printing import print_table

    console, notices = _consoles()
    print_table(console, tables.trials_table(record))
    for trial in record.trials:
        if trial.reason:
            _note(notices, f"trial {trial.number} {trial.status}: {trial.reason}")


@app.command()
def show(
    study: StudyOption,
    trial: Annotated[int, typer.Option("--trial", help="Number of the trial.")],
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
) -> None:
    """Show one trial: its schedule, metrics, the zeros of every kernel and bias, and curves."""
    record = _read(study, storage)
    numbered = {one.number: one for one in record.trials}
    if trial not in numbered:
        have = f"it has trials 0 to {max(numbered)}" if numbered else "it has no trial yet"
        raise StudyError(f"study {record.name!r} has no trial {trial}", hint=have)
    chosen = numbered[trial]
    if as_json:
        from sparsesearch.schedule import schedule_to_json

        shown = record.row(chosen)
        shown["schedule_steps"] = schedule_to_json(chosen.schedule) if chosen.schedule else None
        shown |= chosen.measurement.to_json() if chosen.measurement else {}
        print_json(shown)
        return
    from sparsesearch.printing import print_trial

    print_trial(_consoles()[0], record, chosen)


@app.command()
def report(study: StudyOption, storage: StorageOption = DEFAULT_STORAGE, reports: ReportsOption = REPORTS) -> None:
    """Write the report, one HTML file that opens offline, and print its path."""
    record = _read(study, storage)
    if not record.complete:
        raise StudyError(
            f"study {record.name!r} has no complete trial to report", hint="run `sparsesearch optimize` first"
        )
    typer.echo(api.write_report(record, storage, folder=reports))


@app.command()
def studies() -> None:
    """List the studies that can be searched by name."""
    from sparsesearch.study_file import describe, study_files

    for name, path in sorted(study_files().items()):
        typer.echo(f"{name:<12} {describe(path)}")


@app.command()
def ui(
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine only if you say so.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
) -> None:
    """Start the MLflow UI on what the searches recorded here, with lean settings."""
    from sparsesearch.errors import TrackingError
    from sparsesearch.mlflow_tracker import absolute_uri

    uri = absolute_uri(api.tracking_uri())
    if uri.startswith(("http:", "https:")):
        raise TrackingError(f"the searches are recorded on a server: open {uri} in a browser")
    lean = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        uri,
        "--workers",
        "1",
        "--host",
        host,
        "--port",
        str(port),
    ]
    typer.echo(f"http://{host}:{port}  (Ctrl-C ends it)", err=True)
    os.execve(command[0], command, {**lean, **os.environ})


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"sparsesearch {installed('sparsesearch')}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def parse_duration(text: str) -> float:
    """Seconds of ``1h30m``, ``45m``, ``90s`` or plain seconds.

    >>> parse_duration("1h30m"), parse_duration("90")
    (5400.0, 90.0)
    """
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms]?)", text)
    seconds = sum(float(number) * units[unit or "s"] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or seconds <= 0:
        raise StudyError(f"--timeout must be a time above 0, got {text!r}", hint="for example 90s, 30m or 1h30m")
    return seconds


def print_json(value: Any) -> None:
    """Print ``value`` as JSON; numbers that JSON does not know become null."""
    typer.echo(json.dumps(_finite(value), indent=2))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextlib.contextmanager
def _stopping(notices: Console) -> Iterator[threading.Event]:
    """An event for Ctrl-C; a second one, or one before there is anything to stop, ends the command."""
    with api.stop_on_signals() as stop:
        try:
            yield stop
        except KeyboardInterrupt:
            _note(notices, f"interrupted; to start again: {_this_command()}")
            raise typer.Exit(INTERRUPTED) from None


def _load(study: str, settings: list[str]) -> Study:
    from sparsesearch.study_file import load_study, parse_settings

    # What a study file prints is not a result of ours.
    with contextlib.redirect_stdout(sys.stderr):
        return load_study(study, settings=parse_settings(settings))


def _read(study: str, storage: str) -> StudyRecord:
    """The record of a study given by name or by file; a file may give its study another name than its own."""
    from sparsesearch.study_file import study_files

    if study.endswith(".py") or "/" in study:
        study = _load(study, []).name
    try:
        record = api.read_study(study, storage=storage)
    except StorageError:
        named = _load(study, []).name if study in study_files() else study
        if named == study:
            raise
        record = api.read_study(named, storage=storage)
    if record.name != study and not study.endswith("-1"):
        typer.echo(f"this is {record.name}, the latest search; --study {study}-1 is the first", err=True)
    return record


def _note(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _consoles() -> tuple[Console, Console]:
    """Consoles for data, on stdout, and for notices, on stderr."""
    from rich.console import Console

    return Console(), Console(stderr=True)


def _print_front(console: Console, record: StudyRecord) -> None:
    from sparsesearch import tables
    from sparsesearch.printing import print_table

    if not record.front:
        _note(console, f"{record.name}: no complete trial yet")
        return
    count = len(record.front)
    title = f"Pareto front of {record.name}: {count} of {len(record.complete)} complete trials"
    print_table(console, tables.front_table(record), title=title)


def _this_command() -> str:
    return shlex.join(["sparsesearch", *sys.argv[1:]])


def _continuing_command() -> str:
    return shlex.join(["sparsesearch", *(word for word in sys.argv[1:] if word != "--fresh")])


def _command_for_more(total: int) -> str:
    """The command that was given, for more trials of the same search by a sampler that proposes them."""
    words, kept = iter(sys.argv[1:]), ["sparsesearch"]
    for word in words:
        if word in ("--trials", "--sampler"):
            value = next(words, "")
            kept += [word, value] if word == "--sampler" and value != ATTEMPTS else []
        elif word not in ("--fresh", f"--sampler={ATTEMPTS}") and not word.startswith("--trials="):
            kept.append(word)
    return shlex.join([*kept, "--trials", str(total)])
