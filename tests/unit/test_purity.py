"""The rooms keep to themselves: the domain needs nothing but Python, and our names mean our own files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EFFECTS = ("redis", "rq", "httpx", "starlette", "uvicorn", "click", "prometheus_client", "jmespath")


def _python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_domain_is_pure():
    """Every module of the domain can be imported where nothing that has effects can be."""
    modules = sorted(path.stem for path in (ROOT / "service" / "domain").glob("*.py"))
    assert "plan" in modules
    _python(
        f"import sys\nfor name in {EFFECTS!r}: sys.modules[name] = None\n"
        f"import importlib\nfor name in {modules!r}: importlib.import_module('service.domain.' + name)"
    )


def test_the_receiver_carries_no_notification_library():
    """Apprise and what is below it stay in the process that sends."""
    told = "import sys, service.app; print([name for name in ('apprise', 'requests') if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ended.stdout == "[]\n"


def test_service_never_imports_workers():
    """The receiver's side stands without the workers' side."""
    _python(
        "import sys\nsys.modules['workers'] = None\n"
        "import importlib, pkgutil, service\n"
        "for each in pkgutil.walk_packages(service.__path__, 'service.'):\n"
        "    if not each.name.endswith('__main__'): importlib.import_module(each.name)"
    )


def test_our_names_mean_our_files():
    """`service` and `workers`, names of strangers on PyPI too, are the packages of this checkout."""
    told = json.loads(
        _python(
            "import json, service, workers, workers.jobs\n"
            "print(json.dumps([service.__file__, workers.__file__, workers.jobs.__file__]))"
        )
    )
    places = ("service/__init__.py", "workers/__init__.py", "workers/jobs.py")
    assert told == [str(ROOT / place) for place in places]
