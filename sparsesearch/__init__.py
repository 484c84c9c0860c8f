"""Hyperparameter search for the sparsity-accuracy trade-off of Keras models."""

from sparsesearch import attempts, datasets
from sparsesearch.api import optimize, read_study
from sparsesearch.attempts import Attempt
from sparsesearch.datasets import Data
from sparsesearch.errors import SparsesearchError
from sparsesearch.objective import Objective, maximize, minimize
from sparsesearch.record import StudyRecord
from sparsesearch.space import Choice, Float, Int, SearchSpace
from sparsesearch.study import Study, Training, Variant
from sparsesearch.study_file import load_study

__all__ = [
    "Attempt",
    "Choice",
    "Data",
    "Float",
    "Int",
    "Objective",
    "SearchSpace",
    "SparsesearchError",
    "Study",
    "StudyRecord",
    "Training",
    "Variant",
    "attempts",
    "datasets",
    "load_study",
    "maximize",
    "minimize",
    "optimize",
    "read_study",
]
