"""Entry of the command line, also as ``python -m sparsesearch``: settings in, exit code out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

import typer

from sparsesearch.cli import app
from sparsesearch.errors import SparsesearchError

ENV_FILE = "mlflow.env"
# Typer does not export the base of its errors of usage.
UsageError: type[Any] = typer.BadParameter.__bases__[0]


def main() -> NoReturn:
    """Run the command line: known errors are one line and exit code 1, a bug keeps its traceback."""
    _load_environment()
    try:
        code = app(standalone_mode=False)
    except SparsesearchError as error:
        code = _say(f"error: {error}", 1)
    except UsageError as error:
        code = _say(f"error: {' '.join(error.format_message().split())} (sparsesearch {_command()}--help says more)", 2)
    sys.exit(code if isinstance(code, int) else 0)


def _say(text: str, code: int) -> int:
    typer.echo(text, err=True)
    return code


def _command() -> str:
    names = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    return f"{sys.argv[1]} " if sys.argv[1:] and sys.argv[1] in names else ""


def _load_environment() -> None:
    if Path(ENV_FILE).is_file():
        from dotenv import load_dotenv

        load_dotenv(ENV_FILE, override=False)


if __name__ == "__main__":
    main()
