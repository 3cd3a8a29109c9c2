"""What is built for others to install holds everything, and runs away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from service.version import VERSION
from tests.running import ROOT

PACKAGES = ("service", "workers")


def in_checkout() -> set[str]:
    """Every file of the two packages, but what Python makes itself."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


def test_the_wheel_holds_everything_and_runs(tmp_path: Path):
    """The wheel has every module, Lua script, page and style, no test, and is imported from elsewhere."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name == f"reopener-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        archive.extractall(tmp_path / "installed")
    assert names == in_checkout()
    for suffix in (".lua", ".html", ".css"):
        assert any(name.endswith(suffix) for name in names), suffix
    told = subprocess.run(
        [sys.executable, "-c", "import service.app, workers.jobs; print(service.__file__)"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert told.stdout.strip() == str(tmp_path / "installed" / "service" / "__init__.py")
