"""The arrows between modules, held against the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sparsesearch

PACKAGE = Path(sparsesearch.__file__).parent
# Dotted below the package; a folder is named like its __init__.py.
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if "studies" not in path.parts
)

# Layers from the bottom up: a module imports from its own layer and those above it in this list.
LAYERS = [
    {"errors", "process"},
    {"space", "objective", "datasets.data", "datasets.files"},
    {"schedule", "attempts", "datasets.images", "datasets.series"},
    {"datasets"},
    {"trial", "inspection"},
    {"study", "pareto"},
    {"study_file", "record", "executor"},
    {"problems", "tracking", "formatting"},
    {"comparison"},
    {"tensorflow_runtime"},
    {"keras_network", "model_files", "tensorboard_logs", "tables", "mlflow_views"},
    {"keras_training"},
    {"keras_evaluator", "dask_executor", "optuna_storage", "mlflow_tracker", "plotly_figures"},
    {"search", "report_page"},
    {"optuna_sampler"},
    {"api", "__init__"},
    {"printing"},
    {"terminal"},
    {"cli"},
    {"__main__"},
]

# Who may import a library at all, and who may name one of ours only inside a function.
LIBRARIES = {
    "optuna": {"optuna_storage", "optuna_sampler"},
    "mlflow": {"mlflow_tracker"},
    "distributed": {"dask_executor"},
    "dask": {"dask_executor"},
    "plotly": {"plotly_figures"},
    "tensorflow": {"tensorflow_runtime"},
    "tensorflow_model_optimization": {"tensorflow_runtime"},
    "tf_keras": {"tensorflow_runtime", "datasets.files", "datasets.images"},
    "ai_edge_litert": {"model_files"},
    "rich": {"terminal", "printing", "cli"},
    "typer": {"cli", "__main__"},
    "pandas": {"record"},
    "sklearn": {"datasets.images"},
    "scipy": {"datasets.images", "comparison"},
    "PIL": {"datasets.images"},
    "psutil": {"process"},
    "sqlalchemy": {"optuna_storage", "mlflow_tracker"},
}
HEAVY = (
    "tensorflow",
    "optuna",
    "mlflow",
    "distributed",
    "plotly",
    "pandas",
    "sklearn",
    "scipy",
    "PIL",
    "rich",
    "typer",
)


def imports(module: str, *, top_level: bool = False) -> set[str]:
    path = PACKAGE.joinpath(*module.split("."))
    tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text())
    nodes = tree.body if top_level else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(names: set[str]) -> set[str]:
    return {name.removeprefix("sparsesearch.") for name in names} & set(MODULES)


def test_every_module_has_a_layer() -> None:
    assert sorted(name for layer in LAYERS for name in layer) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module: str) -> None:
    level = next(position for position, layer in enumerate(LAYERS) if module in layer)
    below = set().union(*LAYERS[: level + 1])
    assert ours(imports(module, top_level=True)) <= below


@pytest.mark.parametrize("module", MODULES)
def test_only_a_librarys_own_module_imports_it(module: str) -> None:
    roots = {name.partition(".")[0] for name in imports(module)}
    foreign = {library for library in roots & set(LIBRARIES) if module not in LIBRARIES[library]}
    assert not foreign


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = (
        f"import sys, sparsesearch, sparsesearch.cli; print([name for name in {HEAVY[:-1]} if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_the_public_names_are_what_all_says() -> None:
    public = {
        name
        for name, value in vars(sparsesearch).items()
        if not name.startswith("_") and (type(value).__name__ != "module" or name in sparsesearch.__all__)
    }
    assert public == set(sparsesearch.__all__)
    assert list(sparsesearch.__all__) == sorted(sparsesearch.__all__)
