"""The tables of the source articles beside ours, from finished searches: Markdown, a table per study.

    python -m tests.benchmarks.articles sqlite:///optuna.db mlp lstm flowers cnn

reads what `sparsesearch optimize --study mlp --sampler attempts` and its like have left there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sparsesearch import read_study
from sparsesearch.formatting import format_metric
from sparsesearch.record import StudyRecord
from sparsesearch.trial import Measurement

DENSE = "dense"


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """What an article says of its attempts: zipped HDF5 bytes and error on test data, by name."""

    error: Callable[[Mapping[str, float]], float]
    title: str  # what the error is
    rows: Mapping[str, tuple[int, float]]


ARTICLES = {
    "mlp": Article(
        error=lambda metrics: metrics["test_mse"],
        title="test MSE",
        rows={
            DENSE: (18_155, 1.379e-4),
            "poly 10/50": (11_958, 1.982e-3),
            "poly 20/50": (11_928, 9.621e-5),
            "poly 30/60": (10_544, 2.461e-4),
            "poly 30/70": (9_039, 2.291e-3),
            "poly 40/50": (12_254, 8.708e-5),
            "poly 10/90": (5_782, 3.172e-2),
            "const 0.1": (10_858, 5.406e-4),
            "const 0.4": (10_856, 4.125e-4),
            "const 0.5": (10_832, 3.110e-4),
            "const 0.6": (10_476, 2.270e-4),
            "const 0.9": (5_792, 9.420e-4),
        },
    ),
    "lstm": Article(
        error=lambda metrics: metrics["test_mse"],
        title="test MSE",
        rows={
            DENSE: (99_952, 1.290e-1),
            "poly 10/50": (62_316, 8.029e-1),
            "poly 20/50": (62_268, 1.122e-1),
            "poly 30/60": (53_409, 2.103),
            "poly 30/70": (43_866, 3.068),
            "poly 40/50": (63_464, 8.440e-1),
            "poly 10/90": (22_154, 4.263),
            "const 0.1": (96_429, 2.983),
            "const 0.4": (72_670, 3.378),
            "const 0.5": (63_657, 3.715e-1),
            "const 0.6": (54_506, 4.407),
            "const 0.9": (22_818, 4.847),
        },
    ),
    "flowers": Article(
        error=lambda metrics: 1 - metrics["test_accuracy"],
        title="test error",
        rows={
            DENSE: (6_151_486, 0.395),
            "poly 10/50": (3_781_226, 0.422),
            "poly 20/50": (3_786_548, 0.417),
            "poly 30/60": (3_238_918, 0.452),
            "poly 30/70": (2_602_091, 0.444),
            "poly 40/50": (3_859_572, 0.409),
            "poly 10/90": (1_286_371, 0.474),
            "const 0.1": (5_891_419, 0.460),
            "const 0.4": (4_400_747, 0.439),
            "const 0.5": (3_830_963, 0.441),
            "const 0.6": (3_246_370, 0.444),
            "const 0.9": (1_285_383, 0.466),
        },
    ),
    "cnn": Article(
        error=lambda metrics: metrics["test_accuracy"],
        title="test accuracy",
        rows={
            DENSE: (1_601_609, float("nan")),
            "poly 0/87.5": (384_305, 0.9927),
            "const 0.875": (388_071, 0.9886),
        },
    ),
}


def table(article: Article, record: StudyRecord) -> str:
    """Markdown: published and ours, and how far our bytes are from the published ones."""
    measured: dict[str, Measurement | None] = {DENSE: record.baseline}
    measured |= {trial.attempt: trial.measurement for trial in record.complete if trial.attempt}
    lines = [
        f"| attempt | published bytes | ours | | published {article.title} | ours | zeros | 8-bit TFLite, zipped |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, (size, error) in article.rows.items():
        found = measured.get(name)
        if found is None:
            lines.append(f"| {name} | {size:,} | - | | {error:.4g} | - | - | - |")
            continue
        ours = found.metrics["zipped_h5_bytes"]
        said = "-" if error != error else format_metric("error", error)
        lines.append(
            f"| {name} | {size:,} | {ours:,.0f} | {ours / size - 1:+.1%} | {said} "
            f"| {format_metric('error', article.error(found.metrics))} | {found.metrics['total_sparsity']:.1%} "
            f"| {found.metrics['zipped_tflite_bytes']:,.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    storage, *studies = sys.argv[1:]
    for study in studies:
        print(f"\n{study}\n\n{table(ARTICLES[study], read_study(study, storage=storage))}")


if __name__ == "__main__":
    main()
