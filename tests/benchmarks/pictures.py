"""Pictures for the README: a plotly figure drawn by a real browser."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import plotly.graph_objects as go
from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).with_suffix("")
WIDTH, HEIGHT = 800, 400  # pixels


def save(figure: go.Figure, name: str) -> Path:
    """Draw ``figure`` on white into ``pictures/<name>.png`` and give its path."""
    figure.update_layout(
        template="simple_white", width=WIDTH, height=HEIGHT, margin={"l": 70, "r": 20, "t": 40, "b": 60}
    )
    path = FOLDER / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(suffix=".html") as page, sync_playwright() as playwright:
        figure.write_html(page.name, config={"staticPlot": True})
        chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1.5)
        view.goto(Path(page.name).as_uri())
        view.locator(".main-svg").first.wait_for()
        view.screenshot(path=path)
        browser.close()
    return path
