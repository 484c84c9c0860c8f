"""Where a search is recorded for people: the protocol, and the tracker that records nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sparsesearch.executor import EpochEnd
from sparsesearch.record import StudyRecord
from sparsesearch.trial import Trial


class Tracker(Protocol):
    """Mirrors a search while it runs. Optuna's storage, not the tracker, is the source of truth."""

    def begin(self, record: StudyRecord) -> None:
        """Open the record of one search over a study."""
        ...

    def start(self, trial: Trial) -> None:
        """Record that ``trial``, or the dense baseline, started."""
        ...

    def epoch(self, event: EpochEnd) -> None:
        """Record the metrics of one epoch of a started trial."""
        ...

    def finish(self, trial: Trial, files: Mapping[str, bytes]) -> None:
        """Record the end of a started trial, and ``files``, by name, that are worth keeping."""
        ...

    def end(self, record: StudyRecord, *, interrupted: bool, failed: bool) -> None:
        """Close the record and mark the trials of the study's front as it is now."""
        ...


class NullTracker:
    """Records nothing."""

    def begin(self, record: StudyRecord) -> None:
        """See `Tracker.begin`."""

    def start(self, trial: Trial) -> None:
        """See `Tracker.start`."""

    def epoch(self, event: EpochEnd) -> None:
        """See `Tracker.epoch`."""

    def finish(self, trial: Trial, files: Mapping[str, bytes]) -> None:
        """See `Tracker.finish`."""

    def end(self, record: StudyRecord, *, interrupted: bool, failed: bool) -> None:
        """See `Tracker.end`."""
