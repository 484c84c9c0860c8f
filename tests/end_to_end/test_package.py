"""What is installed, and what the README shows for Python."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import sparsesearch

ROOT = Path(sparsesearch.__file__).parent.parent


def test_the_wheel_carries_the_studies_and_the_page_style(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(line, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {f"sparsesearch/studies/{path.name}" for path in (ROOT / "studies").glob("*.py")}
    assert shipped | {"sparsesearch/report_page.css", "sparsesearch/py.typed"} <= names
    assert not any(name.startswith(("tests/", "studies/")) for name in names)


def test_the_readmes_lines_for_python_run(tiny: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    code = next(block for block in blocks if "optimize(" in block)
    code = code.replace('load_study("cnn"), trials=24', 'load_study("tiny.py"), trials=2')
    code = code.replace("front_figure(record).show()", "print(len(front_figure(record).data), 'traces')")
    (tiny / "notebook.py").write_text(code)
    done = subprocess.run([sys.executable, "notebook.py"], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert "complete" in done.stdout
    assert "traces" in done.stdout
    assert (tiny / "reports" / "tiny.html").is_file()
