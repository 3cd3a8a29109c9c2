"""Settings: the file they are in may be missing, unreadable or no TOML."""

from __future__ import annotations

import pytest

from service.settings import SettingsError, load
from tests.unit.settings.told import KINDS


class TestFile:
    def test_named_file_must_exist(self, tmp_path):
        """A file that REOPENER_CONFIG names and that is not there is a fault."""
        with pytest.raises(SettingsError, match=r"REOPENER_CONFIG \(.*gone\.toml\): cannot be read: No such"):
            load({"REOPENER_CONFIG": "gone.toml"}, role="tool", cwd=tmp_path, kinds=KINDS)

    def test_default_file_must_be_readable(self, tmp_path):
        """A folder in place of the default file is a fault."""
        (tmp_path / "reopener.toml").mkdir()
        with pytest.raises(SettingsError, match=r"reopener\.toml: cannot be read"):
            load({}, role="tool", cwd=tmp_path, kinds=KINDS)

    @pytest.mark.parametrize("content", [b"[reopen", b"a = 1\na = 2\n", b'a = "\xff"'])
    def test_broken_file(self, tmp_path, content):
        """A file that is not TOML, or not UTF-8, is one fault, told with its place."""
        (tmp_path / "reopener.toml").write_bytes(content)
        with pytest.raises(SettingsError) as caught:
            load({}, role="tool", cwd=tmp_path, kinds=KINDS)
        (fault,) = caught.value.faults
        assert "reopener.toml: is not" in fault
        assert "at " in fault.partition("is not")[2]
