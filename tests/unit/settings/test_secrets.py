"""Settings: no way of telling them shows a secret."""

from __future__ import annotations

import pytest

from service.settings import (
    Secret,
    SettingsError,
    load,
)
from tests.unit.settings.told import COMPLETE, SUPPORT, WEBHOOK_SECRET


class TestRealKinds:
    def test_secrets_and_options_are_judged_by_the_kind(self, tmp_path):
        """Each kind judges its secrets and options; a secret is not judged by a faulty option."""
        (tmp_path / "reopener.toml").write_text(
            SUPPORT + '[sources.other]\nkind = "hmac"\nsecret_env = "OTHER"\nhash = "md5"\nheader = "X"\n'
        )
        environ = {**COMPLETE, "SUPPORT_WEBHOOK_SECRET": "whsk_dGVzdA==", "OTHER": "test-secret"}
        with pytest.raises(SettingsError) as caught:
            load(environ, role="serve", cwd=tmp_path)
        names = [fault.partition(":")[0] for fault in caught.value.faults]
        assert names == ["SUPPORT_WEBHOOK_SECRET", "sources.other.hash"]
        assert "dGVzdA" not in str(caught.value)

    def test_map_keys_are_those_that_a_mapping_fills(self):
        """Every key allowed in a source's map is one that reading fills, and the other way round."""
        from service.settings.sources import MAP_KEYS
        from service.sources.parts import mapping

        assert set(MAP_KEYS) == set(mapping._FIELDS)


class TestSecrets:
    def test_secret_shows_itself_only_by_name(self):
        """No way of printing a secret shows it; reveal() does."""
        secret = Secret("test-secret")
        shown = (repr(secret), str(secret), f"{secret}", f"{secret:>20}", f"{secret!r:s}", "%s" % secret)  # noqa: UP031
        assert set(shown) == {"***"}
        assert secret.reveal() == "test-secret"

    def test_secrets_compare_by_value(self):
        """Equal secrets are equal and hash alike, also with bytes that are not UTF-8."""
        assert Secret("a\udcff") == Secret("a\udcff")
        assert Secret("a") != Secret("b")
        assert Secret("a") != "a"
        assert len({Secret("a"), Secret("a")}) == 1

    def test_settings_print_no_secret(self, read):
        """The repr of all settings holds no secret, also not the password within REDIS_URL."""
        environ = {**COMPLETE, "REDIS_URL": "redis://:test-password@localhost"}
        shown = repr(read(SUPPORT, environ))
        for secret in ("test-password", "test-api-key", "test-admin-token", WEBHOOK_SECRET):
            assert secret not in shown
