"""What can go wrong, as one tree.

    SparsesearchError
    ├── StudyError         a study, or a setting of it, makes no sense
    ├── DataError          data are missing or do not fit the model
    ├── ModelError         a model cannot be pruned
    ├── StorageError       the search's storage cannot be read, written or continued
    ├── TrackingError      the tracking server or its store cannot be used
    ├── OutputError        a file cannot be written
    ├── WorkerError        worker processes cannot be kept alive
    └── EvaluationError    one trial failed; the search goes on

Every message states the rule and the value that broke it; ``hint`` says how to mend it. The command
line prints both and leaves with exit code 1. Anything else that is raised is a bug of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SparsesearchError(Exception):
    """Base of every error a user can mend."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Errors travel from worker processes; the default would lose the keyword-only hint.
        return _rebuild, (type(self), self.message, self.hint)


class StudyError(SparsesearchError):
    """A study, or a setting of it, makes no sense."""


class DataError(SparsesearchError):
    """Data are missing or do not fit the model."""


class ModelError(SparsesearchError):
    """A model cannot be pruned."""


class StorageError(SparsesearchError):
    """The search's storage cannot be read, written or continued."""


class TrackingError(SparsesearchError):
    """The tracking server or its store cannot be used."""


class OutputError(SparsesearchError):
    """A file cannot be written."""


class WorkerError(SparsesearchError):
    """Worker processes cannot be kept alive."""


class EvaluationError(SparsesearchError):
    """One trial failed; the search goes on."""


def close_names(name: str, known: Iterable[str]) -> str:
    """Hint that offers the names nearest to ``name``, or all of them when none is near.

    >>> close_names("epoch", ["epochs", "batch_size"])
    'did you mean epochs?'
    >>> close_names("zzz", ["epochs", "batch_size"])
    'known: batch_size, epochs'
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names) or 'none'}"


def _rebuild(kind: type[SparsesearchError], message: str, hint: str) -> SparsesearchError:
    return kind(message, hint=hint)
