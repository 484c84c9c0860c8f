"""The README says what the program does, and the program does what the README says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sparsesearch
from sparsesearch.cli import app
from sparsesearch.study_file import load_study

ROOT = Path(sparsesearch.__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}


def shown_commands() -> list[list[str]]:
    lines = re.findall(r"sparsesearch (?:[a-z]+ ?(?:[^`\n]*))", README)
    return [shlex.split(line)[1:] for line in lines if line.split()[1] in COMMANDS]


def options_of(command: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-m", "sparsesearch", command, "--help"],
        capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
    )  # fmt: skip
    return set(re.findall(r"--[a-z-]+", done.stdout))


def test_every_command_is_in_the_readme() -> None:
    assert {words[0] for words in shown_commands()} == COMMANDS


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_option_in_the_readme_exists(command: str) -> None:
    used = {
        word.partition("=")[0]
        for words in shown_commands()
        if words[0] == command
        for word in words
        if word.startswith("--")
    }
    assert used <= options_of(command)


def test_the_readmes_study_file_is_a_study(tmp_path: Path) -> None:
    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "study = Study(" in block)
    (tmp_path / "mine.py").write_text(code)
    assert load_study("mine.py").name == "mine"
    assert len(code.splitlines()) <= 40


def test_ci_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    extract = re.search(r"tests=\$\((sed .*)\)$", script, re.MULTILINE)
    assert extract is not None
    found = subprocess.run(["bash", "-c", extract[1]], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"python3 -m venv .* && \.venv/bin/pytest\n", found)
    assert f"$ {found}" in README


def test_every_dependency_is_bounded_pinned_and_imported_where_it_says() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / ".ci" / "constraints.txt").read_text().splitlines()
    }
    for requirement in project["dependencies"]:
        name = re.match(r"[A-Za-z0-9-]+", requirement)
        assert name is not None
        assert ">=" in requirement
        assert name[0].lower() in pinned
        commented = re.search(rf'"{re.escape(requirement)}", +# ([\w./, ]+\.py)', text)
        assert commented, f"{requirement} does not say which file needs it"
        module = {
            "tensorflow-model-optimization": "tensorflow_model_optimization",
            "tf-keras": "tf_keras",
            "ai-edge-litert": "ai_edge_litert",
            "scikit-learn": "sklearn",
            "pillow": "PIL",
            "python-dotenv": "dotenv",
        }.get(name[0], name[0])
        for file in commented[1].split(", "):
            assert (
                f"import {module}" in (source := (ROOT / "sparsesearch" / file).read_text())
                or f"from {module}" in source
            ), (file, module)
