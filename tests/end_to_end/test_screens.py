"""The report and the MLflow UI in a real browser."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from sparsesearch.api import write_report
from sparsesearch.mlflow_tracker import MlflowTracker
from sparsesearch.problems import AnalyticProblem
from sparsesearch.record import StudyRecord
from tests.contracts.test_trackers import run as run_search
from tests.end_to_end.conftest import command

Searched = Callable[..., StudyRecord]


@pytest.fixture
def page(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page, and the list of what it complained about or asked from elsewhere."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    troubles: list[str] = []
    opened.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on(
        "request",
        lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else troubles.append(request.url),
    )
    yield opened, troubles
    opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1920])
def test_the_report_opens_offline(
    searched: Searched, storage_url: str, page: tuple[Page, list[str]], width: int, scheme: str
) -> None:
    record = searched(trials=12)
    path = write_report(record, storage_url, folder=Path("reports"))
    opened, troubles = page
    opened.set_viewport_size({"width": width, "height": 900})
    opened.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    opened.goto(path.absolute().as_uri())
    expect(opened.get_by_role("heading", level=1)).to_have_text("How sparse can analytic become?")
    points = opened.locator("#front .scatterlayer .trace .point")
    expect(points).to_have_count(12 + 1)
    assert opened.locator("table").first.locator("tbody tr").count() == len(record.front) + 1
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing is cut off"
    assert troubles == []


def test_hovering_a_point_shows_its_candidate(
    searched: Searched, storage_url: str, page: tuple[Page, list[str]]
) -> None:
    record = searched(trials=6)
    opened, _ = page
    opened.goto(write_report(record, storage_url, folder=Path("reports")).absolute().as_uri())
    opened.locator("#front .scatterlayer").wait_for()
    opened.evaluate("Plotly.Fx.hover('front', [{curveNumber: 0, pointNumber: 0}])")
    hovered = opened.locator("#front .hoverlayer").text_content() or ""
    assert "final sparsity" in hovered and "begin fraction" in hovered and "trial" in hovered


@pytest.fixture
def mlflow_ui(storage_url: str, tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Address of a running MLflow UI, and how many trials are on the front of the study in it."""
    tracker = MlflowTracker(f"sqlite:///{tmp_path}/mlflow.db", artifacts=tmp_path / "artifacts")
    sampler = run_search(tracker, storage_url, trials=5, problem=AnalyticProblem(fails_above=0.9))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        command("ui", "--port", str(port)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}", len(sampler.record().front)
    finally:
        os.killpg(server.pid, 15)
        server.wait(20)


def test_mlflows_own_pages_show_the_front_and_every_trial(mlflow_ui: tuple[str, int], browser: Browser) -> None:
    address, front = mlflow_ui
    opened = browser.new_page(viewport={"width": 1900, "height": 900})
    opened.goto(f"{address}/#/experiments/1/runs?viewStateShareKey=sparsesearch-trials")
    expect(opened.get_by_text("analytic 20").first).to_be_visible(timeout=30_000)
    for column in ("accuracy", "zipped_tflite_bytes", "test_accuracy", "times_smaller"):
        expect(opened.get_by_text(column, exact=True).first).to_be_visible()
    opened.goto(f"{address}/#/experiments/1/runs?viewStateShareKey=sparsesearch-front")
    opened.reload()
    expect(opened.get_by_role("button", name="Pareto front")).to_be_visible(timeout=30_000)
    names = opened.get_by_role("link", name=re.compile(r"^\d{3} (const|polyn) 0\.\d{3}$"))
    expect(names).to_have_count(front)
    expect(opened.get_by_text("dense baseline")).to_have_count(0)
    opened.close()
