"""Settings: all faults are told together, each by its name."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.settings import (
    SettingsError,
    load,
)
from tests.unit.settings.told import COMPLETE, KINDS, ROLES, SUPPORT


class TestFaults:
    def test_all_at_once(self, faults):
        """Faults of variables, tables and sources are reported together, each by its name."""
        found = faults(
            '[acquire]\ntimeout_seconds = "10"\n[reopen]\nmax_atempts = 3\n[sources.a]\nkind = "zendeks"\n',
            {"REOPENER_PORT": "http", "REDIS_URL": "localhost:6379"},
        )
        assert [fault.partition(":")[0] for fault in found] == [
            "acquire.timeout_seconds",
            "reopen.max_atempts",
            "sources.a.kind",
            "sources.a.secret_env",
            "REDIS_URL",
            "REOPENER_PORT",
            "REOPENER_ADMIN_TOKEN",
        ]

    @pytest.mark.parametrize(
        ("toml", "name", "suggested"),
        [
            ("[reopn]", "reopn", "reopen"),
            ("[acquire]\ntimeout = 3", "acquire.timeout", "timeout_seconds"),
            ("[reopen]\nmax_atempts = 3", "reopen.max_atempts", "max_attempts"),
            ("[retention]\ndone_day = 3", "retention.done_day", "done_days"),
            (SUPPORT + 'look_up = "none"', "sources.support.look_up", "lookup"),
            (
                SUPPORT + '[sources.support.map]\ncontactid = "a"',
                "sources.support.map.contactid",
                "contact_id",
            ),
            (
                '[sources.a]\nkind = "static"\nsecret_env = "SUPPORT_WEBHOOK_SECRET"\nheaders = "X"',
                "sources.a.headers",
                "header",
            ),
        ],
    )
    def test_unknown_key_names_the_nearest(self, faults, toml, name, suggested):
        """An unknown key is a fault in every table, and the nearest known name is suggested."""
        assert faults(toml) == [f'{name}: unknown key; did you mean "{suggested}"?']

    def test_a_slip_in_the_word_kind_is_named(self, faults):
        """Where a source has no kind, a key that is much like that word is told too."""
        missing, slip = faults('[sources.a]\nkidn = "standard"\nsecret_env = "SUPPORT_WEBHOOK_SECRET"')
        assert missing.startswith("sources.a.kind: missing; set one of ")
        assert slip == 'sources.a.kidn: unknown key; did you mean "kind"?'

    def test_a_long_name_is_told_how_long_it_may_be(self, faults):
        """A source's name that is too long is refused with the length that is not."""
        name = "a" * 65
        (fault,) = faults(f'[sources.{name}]\nkind = "standard"\nsecret_env = "SUPPORT_WEBHOOK_SECRET"')
        assert "up to 64" in fault

    def test_unknown_kind_names_the_nearest(self, faults):
        """An unknown kind names the nearest and all known ones."""
        (fault,) = faults(SUPPORT.replace("standard", "zendeks"))
        assert 'did you mean "zendesk"?' in fault
        assert "standard, static, zendesk, zoho-desk" in fault

    def test_an_empty_kind_is_unknown(self, faults):
        """An empty kind is no kind: nothing could be read of its deliveries."""
        (fault,) = faults(SUPPORT.replace("standard", ""))
        assert fault.startswith("sources.support.kind: unknown")

    def test_options_that_the_kind_refuses(self, faults):
        """What the kind finds wrong with its own keys is a fault under the source's name."""
        toml = SUPPORT.replace("standard", "static") + 'auth = "body"'
        assert faults(toml) == ['sources.support.auth: must be "header"']

    def test_keys_of_another_kind_are_unknown(self, faults):
        """A key that only another kind knows is refused."""
        assert faults(SUPPORT + 'header = "X"') == ["sources.support.header: unknown key"]

    @pytest.mark.parametrize(
        "line",
        [
            "[reopen]\nmax_attempts = true",
            "[reopen]\nmax_attempts = 0",
            "[reopen]\nmax_attempts = 2.5",
            "[reopen]\nmax_age_seconds = inf",
            "[reopen]\nmax_age_seconds = nan",
            "[reopen]\nmax_age_seconds = true",
            "[reopen]\nmax_age_seconds = 0",
            "[reopen]\nbackoff_base_seconds = -1",
            "[reopen]\nbackoff_base_seconds = 60\nbackoff_cap_seconds = 30",
            "[reopen]\nsettle_seconds = -0.1",
            '[reopen]\non_open_case = "merge"',
            "[reopen]\non_unknown = true",
            "[acquire]\ntimeout_seconds = 0",
            "[acquire]\nrate_per_second = -1",
            "[acquire]\nuser_type = 3",
            '[acquire]\nuser_type = "contact&contactId=1"',
            "[acquire]\nbody = 3",
            "[retention]\ndone_days = 0",
            "[redis]\nwait_replicas = 17",
            "[redis]\nwait_aof = 1",
            "[redis]\nwait_timeout_ms = 1401",
            '[retention]\ndead_days = "365"',
            SUPPORT + "tolerance_seconds = 0",
            SUPPORT + 'tolerance_seconds = "300"',
            SUPPORT + 'lookup = "phone"',
            SUPPORT + "map = []",
            "reopen = 3",
            "[sources]\nsupport = 3\n",
        ],
    )
    def test_types_and_ranges(self, faults, line):
        """A value of another type or out of range is a fault of its key."""
        assert faults(line)

    @pytest.mark.parametrize("value", ["4711471147", "[4711471147]", "{ x = 4711471147 }"])
    def test_a_value_of_another_type_is_not_repeated(self, faults, value):
        """People put secrets where names belong, also such of digits alone."""
        for line in (
            f"[sources.support]\nkind = {value}",
            f'[sources.support]\nkind = "standard"\nsecret_env = {value}',
            f'[sources.support]\nkind = "static"\nheader = {value}',
            f"[acquire]\nuser_type = {value}",
            f"[alerts]\ndashboard_url = {value}",
        ):
            assert "4711471147" not in str(faults(line))

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("REOPENER_PORT", "65536"),
            ("REOPENER_PORT", "-1"),
            ("REOPENER_PORT", "8_080"),
            ("REOPENER_PORT", "٨٠"),
            ("REOPENER_PORT", "9" * 5000),
            ("REOPENER_CONCURRENCY", "0"),
            ("REOPENER_WAIT_REPLICAS", "-1"),
            ("REOPENER_WAIT_AOF", "yes"),
            ("REOPENER_WAIT_TIMEOUT_MS", "0"),
            ("REOPENER_HOST", "127.0.0.1:8080"),
            ("REOPENER_HOST", "127.0.0.256"),
            ("REOPENER_HOST", "http://localhost"),
            ("ACQUIRE_ALLOW_HTTP", "yes"),
            ("ACQUIRE_ACCOUNT_ID", "example.acquire.io"),
            ("ACQUIRE_ACCOUNT_ID", "https://example"),
            ("ACQUIRE_ACCOUNT_ID", "-example"),
            ("ACQUIRE_ACCOUNT_ID", "example/..@evil.example"),
            ("ACQUIRE_API_KEY", "test-api-key\n"),
            ("ACQUIRE_API_KEY", "test-äpi-key"),
            ("REOPENER_ADMIN_TOKEN", "test admin token"),
            ("ACQUIRE_BASE_URL", "acquire.example"),
            ("ACQUIRE_BASE_URL", "ftp://acquire.example"),
            ("ACQUIRE_BASE_URL", "http://acquire.example"),
            ("ACQUIRE_BASE_URL", "http://127.0.0.1.evil.example"),
            ("ACQUIRE_BASE_URL", "https://user:test-password@acquire.example"),
            ("ACQUIRE_BASE_URL", "https://@acquire.example"),
            ("ACQUIRE_BASE_URL", "https://acquire.example/api/v1"),
            ("ACQUIRE_BASE_URL", "https://acquire.example?"),
            ("ACQUIRE_BASE_URL", "https://acquire.example#"),
            ("ACQUIRE_BASE_URL", "https://acquire.example:port"),
            ("ACQUIRE_BASE_URL", "https://[::1"),
            ("ACQUIRE_BASE_URL", "https://"),
            ("REDIS_URL", "http://localhost:6379"),
            ("REDIS_URL", "redis://"),
            ("REDIS_URL", "redis://:pass/word@localhost:6379"),
            ("REDIS_URL", "redis://localhost:port"),
            ("REDIS_URL", "redis://localhost/name"),
            ("REDIS_URL", "unix://"),
            ("REDIS_URL", "redis+sentinel:///main"),
            ("REDIS_URL", "redis+sentinel://localhost:26379"),
            ("REDIS_URL", "redis+sentinel://localhost:26379/main/first"),
            ("REDIS_URL", "redis+sentinel://localhost:port/main"),
            ("REDIS_URL", "redis+sentinel://localhost:26379/main?ssl=true"),
            ("REDIS_URL", "redis+sentinel://localhost:26379/main?db=3"),
            ("REDIS_URL", "unix://run/redis.sock"),
            ("REDIS_URL", "redis://localhost:6379/0?decode_responses=false"),
            ("REDIS_URL", "redis://localhost:6379/0?cache_config=any"),
            ("REDIS_URL", "rediss://localhost/0?ssl_validate_ocsp=true"),
            ("REDIS_URL", "redis://localhost:6379/0?nothing=1"),
            ("REDIS_URL", "unix:///run/redis.sock?db=first"),
            ("REDIS_URL", "rediss://localhost/0?ssl_cert_reqs=nothing"),
        ],
    )
    def test_variables(self, faults, variable, value):
        """A variable that cannot be used is one fault; it names the variable and repeats no secret."""
        (fault,) = faults(environ={**COMPLETE, variable: value})
        assert fault.startswith(f"{variable}: ")
        assert not any(part in fault for part in ("test-", "test admin", "pass/", "word@", "evil"))

    @pytest.mark.parametrize("name", ["Support", "_support", "sup port", "süpport", "", "a" * 65, "api"])
    def test_source_names(self, faults, name):
        """A source's name can stand in an address as it is, and is not that of the API's own reopens."""
        assert faults(SUPPORT.replace("support", f'"{name}"'))[0].startswith(f"sources.{name}: ")

    @pytest.mark.parametrize(
        "lines",
        [
            'kind = "standard"',
            'kind = "standard"\nsecret_env = "A"\nsecret_envs = ["B"]',
            'kind = "standard"\nsecret_envs = []',
            'kind = "standard"\nsecret_envs = "SUPPORT_WEBHOOK_SECRET"',
            'kind = "standard"\nsecret_envs = ["SUPPORT_WEBHOOK_SECRET", "SUPPORT_WEBHOOK_SECRET"]',
            'kind = "standard"\nsecret_env = 3',
            'kind = "standard"\nsecret_env = "A=B"',
            'kind = 3\nsecret_env = "SUPPORT_WEBHOOK_SECRET"',
            'secret_env = "SUPPORT_WEBHOOK_SECRET"',
        ],
    )
    def test_kind_and_secret_are_required(self, faults, lines):
        """A source without a kind, or with anything else than one way to name its secrets, is one fault."""
        assert len(faults(f"[sources.support]\n{lines}\n")) == 1

    def test_kind_that_needs_no_secret(self, read):
        """A kind that verifies by a published key is read without any secret."""
        source = read('[sources.desk]\nkind = "zoho-desk"\norg_id = "1"\n').sources["desk"]
        assert (source.secrets, source.options) == ((), {"org_id": "1"})

    def test_secret_that_the_kind_refuses(self, faults):
        """A secret that its kind cannot use is a fault of the variable."""
        (fault,) = faults(SUPPORT, {**COMPLETE, "SUPPORT_WEBHOOK_SECRET": "abc"})
        assert fault == "SUPPORT_WEBHOOK_SECRET: is too short (secret of sources.support)"

    @pytest.mark.parametrize("environ", [{}, COMPLETE])
    def test_secret_put_in_place_of_a_name(self, tmp_path, environ):
        """A secret written where a variable's name belongs is not repeated, nor one under a wrong key."""
        for line in ('secret_env = "whsec_c2VjcmV0"', 'secret_env = "c2VjcmV0=="', 'secret = "c2VjcmV0"'):
            (tmp_path / "reopener.toml").write_text(f'[sources.support]\nkind = "standard"\n{line}\n')
            with pytest.raises(SettingsError) as caught:
                load(environ, role="serve", cwd=tmp_path, kinds=KINDS)
            assert "c2VjcmV0" not in str(caught.value)
            assert "sources.support.secret" in str(caught.value)

    @pytest.mark.parametrize(
        ("expression", "told"),
        [
            ("data.[", "character 7"),
            ("data.contact_id }", "character 17"),
            ("data.'", "character 6"),
            ("", "empty"),
            ("to_nmber(data.id)", 'did you mean "to_number"?'),
            ("data[?to_nmber(id) > `1`].id", "to_nmber"),
        ],
    )
    def test_map_expressions_are_compiled(self, faults, expression, told):
        """A map expression that is no JMESPath is a fault with its position; an unknown function too."""
        (fault,) = faults(SUPPORT + f'[sources.support.map]\ncontact_id = "{expression}"')
        assert fault.startswith("sources.support.map.contact_id: ")
        assert told in fault

    @pytest.mark.parametrize(
        ("line", "where"),
        [
            ('title = "{{ tiket_id }}"', "title"),
            ('title = "{{ ticket_id"', "title"),
            ('title = "{{ ticket_id }} }}"', "title"),
            ('title = "{{ ticket-id }}"', "title"),
            ('fields = { a = ["x", "{{ contact }}"] }', "fields.a[1]"),
            ("threadId = 1", "threadId"),
            ("contactId = 1", "contactId"),
            ("since = 2026-11-23", "since"),
            ("share = nan", "share"),
        ],
    )
    def test_body_templates(self, faults, line, where):
        """An unknown template name, a key of our own, or a value that JSON lacks is a fault of its place."""
        (fault,) = faults(f"[acquire.body]\n{line}")
        assert fault.startswith(f"acquire.body.{where}: ")

    def test_unknown_template_name_suggests_the_nearest(self, faults):
        """The nearest template name is suggested."""
        assert 'did you mean "ticket_id"?' in faults('[acquire.body]\ntitle = "{{ tiket_id }}"')[0]


VALUES = st.text(string.printable, max_size=20)


@given(
    environ=st.dictionaries(
        st.sampled_from([*COMPLETE, "ACQUIRE_BASE_URL", "REOPENER_PORT", "REOPENER_HOST"]), VALUES
    ),
    role=st.sampled_from(ROLES),
)
def test_any_variables(environ, role):
    """Whatever the variables hold, the answer is settings or named faults, never another error."""
    faults: list[str] = []
    try:
        load(environ, role=role, cwd=Path("/nonexistent"), kinds=KINDS)
    except SettingsError as error:
        faults = error.faults
    assert all(fault.partition(":")[0].isidentifier() for fault in faults)
