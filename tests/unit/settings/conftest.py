"""Settings read from a TOML text and variables."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from service.settings import (
    Settings,
    SettingsError,
    load,
)
from tests.unit.settings.told import COMPLETE, KINDS


@pytest.fixture
def read(tmp_path):
    """Load settings from a TOML text and variables, in an otherwise empty folder."""

    def read(toml: str = "", environ: Mapping[str, str] = COMPLETE, role: str = "serve") -> Settings:
        (tmp_path / "reopener.toml").write_text(toml, "utf-8")
        return load(environ, role=role, cwd=tmp_path, kinds=KINDS)

    return read


@pytest.fixture
def faults(read):
    def faults(toml: str = "", environ: Mapping[str, str] = COMPLETE, role: str = "serve") -> list[str]:
        with pytest.raises(SettingsError) as caught:
            read(toml, environ, role)
        return caught.value.faults

    return faults
