"""Settings: what each role of process needs."""

from __future__ import annotations

import pytest

from service.settings import (
    SettingsError,
    load,
)
from tests.unit.settings.told import ACCOUNT, KINDS, REDIS, SUPPORT, TOKEN


class TestRoles:
    @pytest.mark.parametrize(
        ("role", "missing"),
        [
            ("run", []),
            ("serve", ["REDIS_URL", "REOPENER_ADMIN_TOKEN"]),
            ("work", ["REDIS_URL", "ACQUIRE_ACCOUNT_ID", "ACQUIRE_API_KEY"]),
            ("sandbox", []),
            ("tool", []),
        ],
    )
    def test_what_a_role_needs(self, tmp_path, role, missing):
        """Each role names all it lacks, and nothing that it can do without."""
        try:
            load({}, role=role, cwd=tmp_path, kinds=KINDS)
            named = []
        except SettingsError as error:
            named = [fault.partition(":")[0] for fault in error.faults]
        assert named == missing

    def test_base_url_stands_in_for_the_account(self, read):
        """A worker with an origin to call needs no account id."""
        environ = {**REDIS, "ACQUIRE_BASE_URL": "https://acquire.example", "ACQUIRE_API_KEY": "test-api-key"}
        assert read(environ=environ, role="work").acquire.origin == "https://acquire.example"

    @pytest.mark.parametrize("half", ["ACQUIRE_ACCOUNT_ID", "ACQUIRE_API_KEY"])
    def test_half_an_account_under_run(self, faults, half):
        """`run` with half an account does not fall back to the sandbox, it names the other half."""
        (other,) = set(ACCOUNT) - {half}
        (fault,) = faults(environ={half: ACCOUNT[half]}, role="run")
        assert fault.startswith(f"{other}: missing")

    def test_empty_admin_token(self, faults):
        """An admin token that is set to nothing is a fault, also under `run`, which would make one."""
        assert faults(environ={"REOPENER_ADMIN_TOKEN": ""}, role="run")[0].startswith("REOPENER_ADMIN_TOKEN")
        assert faults(environ={**REDIS, "REOPENER_ADMIN_TOKEN": ""}, role="serve")

    @pytest.mark.parametrize("value", [None, ""])
    def test_only_who_receives_needs_webhook_secrets(self, read, faults, value):
        """The receiver names a missing or empty webhook secret; a worker does without."""
        environ = {**ACCOUNT, **REDIS, **TOKEN}
        if value is not None:
            environ["SUPPORT_WEBHOOK_SECRET"] = value
        for role in ("run", "serve"):
            (fault,) = faults(SUPPORT, environ, role)
            assert fault.startswith("sources.support.secret_env: SUPPORT_WEBHOOK_SECRET is ")
        for role in ("work", "tool", "sandbox"):
            assert read(SUPPORT, environ, role).sources["support"].secrets == ()
