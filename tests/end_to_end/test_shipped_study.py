"""The shipped study at its default budget: minutes, so only with ``-m long``."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.conftest import Command


@pytest.mark.long
def test_a_model_five_times_smaller_is_within_one_point(run: Command) -> None:
    found = json.loads(run("optimize", "--study", "cnn", "--json").stdout)
    dense = found["baseline"]["accuracy"]
    close = [trial for trial in found["trials"] if trial["accuracy"] >= dense - 0.01]
    assert max(trial["times_smaller"] for trial in close) >= 5
    assert found["finished"] >= 20
