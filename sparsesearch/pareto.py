"""Dominance, front and hypervolume. Losses only: every column is better when smaller."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float64]


def pareto_mask(losses: Losses) -> NDArray[np.bool_]:
    """Mark rows of ``losses`` (n, m) that no other row dominates; equal rows are all kept.

    >>> pareto_mask(np.array([[0.0, 2.0], [1.0, 1.0], [1.0, 2.0]])).tolist()
    [True, True, False]
    """
    # n^2 is fine: a study has thousands of trials, not millions.
    no_better = (losses[:, None] >= losses).all(axis=-1)
    worse = (losses[:, None] > losses).any(axis=-1)
    kept: NDArray[np.bool_] = ~np.any(no_better & worse, axis=1)
    return kept


def hypervolume(losses: Losses, reference: NDArray[np.float64]) -> float:
    """Volume between the rows of ``losses`` (n, m) and the point ``reference`` (m,) that they dominate.

    Rows that are not better than the reference in every column add nothing. Slices along the last
    column, which takes O(n^(m-1) log n): meant for two or three objectives
    (Zitzler & Thiele 1998; While et al. 2006).

    >>> hypervolume(np.array([[0.0, 2.0], [1.0, 1.0]]), np.array([2.0, 3.0]))
    3.0
    """
    inside = losses[(losses < reference).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    if inside.shape[1] == 1:
        return float(reference[0] - inside.min())
    ordered = inside[np.argsort(inside[:, -1], kind="stable")]
    depths = np.diff(np.append(ordered[:, -1], reference[-1]))
    return float(
        sum(
            depth * hypervolume(ordered[: count + 1, :-1], reference[:-1])
            for count, depth in enumerate(depths)
            if depth > 0
        )
    )


def hypervolume_curve(losses: Losses, reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hypervolume of the first 1, 2, ... n rows of ``losses`` (n, m)."""
    volumes = np.zeros(len(losses))
    front = np.empty((0, losses.shape[1]))
    for count, row in enumerate(losses):
        rows = np.vstack([front, row])
        front = np.unique(rows[pareto_mask(rows)], axis=0)
        volumes[count] = hypervolume(front, reference)
    return volumes
