"""Time and memory of the shipped search, from the command to the report. Prints a table, asserts nothing.

Usage: python -m tests.benchmarks.main_job [repeats]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import psutil

from sparsesearch.api import read_study
from sparsesearch.record import StudyRecord

COMMAND = [sys.executable, "-m", "sparsesearch"]


def timed(*words: str) -> float:
    """Seconds of wall clock that a command takes."""
    started = time.perf_counter()
    subprocess.run([*COMMAND, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def search() -> tuple[float, float]:
    """Seconds of the default search, and the driver's peak memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen([*COMMAND, "optimize", "--study", "cnn"], stdout=subprocess.DEVNULL)
    peaks = [0]
    stop = threading.Event()

    def watch() -> None:
        driver = psutil.Process(process.pid)
        while not stop.wait(0.1):
            try:
                peaks.append(driver.memory_info().rss)
            except psutil.NoSuchProcess:
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    stop.set()
    watcher.join()
    if code:
        raise SystemExit(code)
    return time.perf_counter() - started, max(peaks) / 1e6


def outside_fit(record: StudyRecord) -> float:
    """Median seconds of a trial that are not training."""
    return statistics.median(
        trial.finished - trial.started - trial.metrics["train_seconds"]
        for trial in record.complete
        if trial.started and trial.finished and trial.same_as is None
    )


def attempts(study: str) -> str:
    """Seconds of a study's attempts and its dense baseline, and the largest private memory of a worker."""
    started = time.perf_counter()
    line = [*COMMAND, "optimize", "--study", study, "--sampler", "attempts", "--fresh"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        time.sleep(0.5)
        try:
            workers = psutil.Process(process.pid).children(recursive=True)
            peak = max([peak, *(worker.memory_info().rss - worker.memory_info().shared for worker in workers)])
        except psutil.NoSuchProcess:
            continue
    if process.returncode:
        raise SystemExit(process.returncode)
    return f"{time.perf_counter() - started:.1f} s, a worker at most {peak / 1e6:.0f} MB of its own"


def main(repeats: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        seconds, memory = search()
        record = read_study("cnn")
        rows = {
            f"optimize --study cnn, {record.finished} trials": f"{seconds:.0f} s",
            "outside fit, per trial, median": f"{outside_fit(record):.2f} s",
            "peak memory of the driver": f"{memory:.0f} MB",
        }
        for words in (("--help",), ("front", "--study", "cnn")):
            samples = [timed(*words) for _ in range(repeats)]
            rows[" ".join(words)] = f"{statistics.median(samples):.2f} s ({min(samples):.2f} to {max(samples):.2f})"
        for study in ("mlp", "lstm"):
            rows[f"attempts and baseline of {study}"] = "; ".join(attempts(study) for _ in range(3))
    for name, figure in rows.items():
        print(f"{name:<44} {figure}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
