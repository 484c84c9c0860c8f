"""Hypothesis strategies for values of this project."""

from __future__ import annotations

from hypothesis import strategies as st

from sparsesearch.space import Candidate


@st.composite
def candidates(draw: st.DrawFn) -> Candidate:
    """Any candidate of any sensible search space."""
    final = draw(st.floats(0.01, 0.99))
    begin = draw(st.floats(0.0, 0.99))
    polynomial = draw(st.booleans())
    return Candidate(
        schedule="polynomial" if polynomial else "constant",
        final_sparsity=final,
        begin_fraction=begin,
        end_fraction=draw(st.floats(min(begin + 0.001, 1.0), 1.0)),
        frequency=draw(st.integers(1, 300)),
        initial_sparsity=draw(st.floats(0.0, final)) if polynomial else None,
        power=draw(st.floats(0.2, 8.0)) if polynomial else None,
    )
