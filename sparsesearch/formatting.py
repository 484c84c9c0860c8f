"""How numbers and trials are written for people, the same in the terminal and in the report."""

from __future__ import annotations

from sparsesearch.trial import Trial

# Metrics that are fractions of something and read best with four decimals.
_DECIMALS = 4


def format_metric(name: str, value: float) -> str:
    """``value`` of the metric ``name`` with its unit.

    >>> format_metric("zipped_tflite_bytes", 53533), format_metric("accuracy", 0.97222)
    ('53.5 kB', '0.9722')
    >>> format_metric("train_seconds", 6.27), format_metric("mse", 0.0000962)
    ('6.3 s', '9.620e-05')
    """
    if name.endswith("_bytes"):
        return format_bytes(value)
    if name.endswith("_seconds"):
        return f"{value:.1f} s"
    return f"{value:.{_DECIMALS}f}" if value == 0 or abs(value) >= 0.01 else f"{value:.3e}"


def format_bytes(count: float) -> str:
    """Bytes with three significant digits in decimal units.

    >>> format_bytes(999), format_bytes(418040), format_bytes(1753784)
    ('999 B', '418 kB', '1.75 MB')
    """
    for unit, size in (("MB", 1e6), ("kB", 1e3)):
        if count >= size * 0.9995:
            scaled = count / size
            return f"{scaled:.{2 if scaled < 9.995 else 1 if scaled < 99.95 else 0}f} {unit}"
    return f"{count:.0f} B"


def format_round_bytes(count: int) -> str:
    """A round number of bytes without decimals, for the ticks of an axis.

    >>> format_round_bytes(500), format_round_bytes(20_000), format_round_bytes(1_000_000)
    ('500 B', '20 kB', '1 MB')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count // size} {unit}"
    return f"{count} B"


def format_change(value: float) -> str:
    """A signed difference.

    >>> format_change(0.0056), format_change(0.0), format_change(0.00024)
    ('+0.0056', '+0.0000', '+2.4e-04')
    """
    return f"{value:+.{_DECIMALS}f}" if value == 0 or abs(value) >= 0.001 else f"{value:+.1e}"


def format_difference(name: str, value: float) -> str:
    """A signed difference of the metric ``name`` with its unit.

    >>> format_difference("zipped_tflite_bytes", -1200), format_difference("accuracy", 0.01)
    ('-1.20 kB', '+0.0100')
    """
    if name.endswith(("_bytes", "_seconds")):
        return f"{'-' if value < 0 else '+'}{format_metric(name, abs(value))}"
    return format_change(value)


def format_times(factor: float | None) -> str:
    """How many times smaller.

    >>> format_times(7.81), format_times(None)
    ('7.8x', '-')
    """
    return "-" if factor is None else f"{factor:.1f}x"


def format_schedule(trial: Trial) -> str:
    """The attempt's name, else the schedule in a few letters: type, sparsities and power.

    A ramp from 0.12 to 0.93 of power 3 is written ``poly 0.12-0.930 ^3.0``.
    """
    candidate = trial.candidate
    if candidate is None:
        return "dense"
    if trial.attempt:
        return trial.attempt
    if candidate.schedule == "constant" or candidate.initial_sparsity is None or candidate.power is None:
        return f"const {candidate.final_sparsity:.3f}"
    return f"poly {candidate.initial_sparsity:.2f}-{candidate.final_sparsity:.3f} ^{candidate.power:.1f}"


def format_steps(trial: Trial) -> str:
    """Snapped steps of the schedule: begin, end and frequency."""
    schedule = trial.schedule
    return f"{schedule.begin_step}-{schedule.end_step} /{schedule.frequency}" if schedule else ""


def format_value(value: object) -> str:
    """A parameter's value.

    >>> format_value(0.123456), format_value(10), format_value("constant")
    ('0.1235', '10', 'constant')
    """
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def label(metric: str) -> str:
    """A metric's name for people: ``zipped_tflite_bytes`` is ``zipped tflite``."""
    return metric.removesuffix("_bytes").replace("_", " ")
