from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparsesearch.pareto import Losses, hypervolume, hypervolume_curve, pareto_mask

# A coarse grid, so that ties and duplicates happen.
values = st.integers(0, 6).map(float)


def losses(columns: int) -> st.SearchStrategy[Losses]:
    return hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(columns)), elements=values)


def dominates(a: Losses, b: Losses) -> bool:
    return bool((a <= b).all() and (a < b).any())


@given(rows=st.integers(2, 3).flatmap(losses))
def test_the_front_is_what_no_row_dominates(rows: Losses) -> None:
    expected = [not any(dominates(other, row) for other in rows) for row in rows]
    assert pareto_mask(rows).tolist() == expected


@given(rows=st.integers(1, 3).flatmap(losses))
def test_hypervolume_counts_the_dominated_cells(rows: Losses) -> None:
    # On a whole-number grid the volume is the number of unit cells whose lower corner a row dominates.
    reference = np.full(rows.shape[1], 7.0)
    cells = np.stack(np.meshgrid(*[np.arange(7.0)] * rows.shape[1]), axis=-1).reshape(-1, rows.shape[1])
    covered = (rows[None] <= cells[:, None]).all(axis=2).any(axis=1).sum()
    assert hypervolume(rows, reference) == covered


@given(rows=losses(2))
def test_the_curve_ends_at_the_hypervolume_and_never_falls(rows: Losses) -> None:
    reference = np.array([5.0, 5.0])
    curve = hypervolume_curve(rows, reference)
    assert curve[-1] == hypervolume(rows, reference)
    assert (np.diff(curve) >= 0).all()


def test_rows_beyond_the_reference_add_nothing() -> None:
    assert hypervolume(np.array([[3.0, 0.0], [0.0, 3.0]]), np.array([2.0, 2.0])) == 0
