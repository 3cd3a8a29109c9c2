"""`run`, `serve`, `work` and `sandbox`: becoming one of the processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Never

from service import logs
from service.cli.told import Ended
from service.clock import SystemClock
from service.launch import PYTHON
from service.settings import Role, Settings, SettingsError, load


def run() -> None:
    """Everything in one process tree."""
    from service.run import run as run_everything

    logs.configure(sys.stderr)
    settings = _settings("run")
    sys.exit(run_everything(settings, os.environ, cwd=Path.cwd(), clock=SystemClock()))


def serve() -> None:
    """The receiver, until SIGTERM."""
    from service import server
    from service.app import create_app
    from service.embedded import FolderBusy
    from service.intake.spool import SpoolUnusable

    logs.configure(sys.stderr)
    settings = _settings("serve")
    try:
        app = create_app(settings, SystemClock())
    except (FolderBusy, SpoolUnusable) as error:
        raise Ended(str(error)) from None
    config = server.config(app, host=settings.host, port=settings.port)
    try:
        came_up = server.run(config)
    except server.CannotListen as error:
        raise Ended(
            f"cannot listen on {settings.host} port {settings.port}: {error};"
            " end what uses it, or set REOPENER_HOST and REOPENER_PORT to where it can be"
        ) from None
    sys.exit(0 if came_up else 1)


def become(module: str, *arguments: str) -> Never:
    """Turn into another module of ours; this process, and with it its pid, is that one from now on."""
    os.execv(PYTHON[0], [*PYTHON, module, *arguments])


def _settings(role: Role) -> Settings:
    try:
        return load(os.environ, role=role, cwd=Path.cwd())
    except SettingsError as error:
        raise Ended(*error.faults, status=2) from None
