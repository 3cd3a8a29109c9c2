"""Settings: what is read from where, and that all faults are told together, by name, without secrets."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.settings import (
    AcquireSettings,
    RedisSettings,
    ReopenSettings,
    RetentionSettings,
    Secret,
    Settings,
    SettingsError,
    load,
)

ROLES = ("run", "serve", "work", "sandbox", "tool")
WEBHOOK_SECRET = "whsec_" + "dGhlIHRlc3RzJyBvd24gd2ViaG9vayBzZWNyZXQ="
ACCOUNT = {"ACQUIRE_ACCOUNT_ID": "example", "ACQUIRE_API_KEY": "test-api-key"}
REDIS = {"REDIS_URL": "redis://localhost:6379/0"}
TOKEN = {"REOPENER_ADMIN_TOKEN": "test-admin-token"}
COMPLETE = {**ACCOUNT, **REDIS, **TOKEN, "SUPPORT_WEBHOOK_SECRET": WEBHOOK_SECRET}


@dataclass(frozen=True)
class FakeKind:
    options: frozenset[str] = field(default_factory=frozenset)
    needs_secret: bool = True

    def option_faults(self, options: Mapping[str, object]) -> list[str]:
        return [] if options.get("auth") in {None, "header"} else ['auth: must be "header"']

    def check_secret(self, secret: str, options: Mapping[str, object]) -> str | None:
        return "is too short" if len(secret) < 4 else None


KINDS = {
    "standard": FakeKind(),
    "static": FakeKind(frozenset({"auth", "header", "query"})),
    "zendesk": FakeKind(),
    "zoho-desk": FakeKind(frozenset({"org_id"}), needs_secret=False),
}
SUPPORT = '[sources.support]\nkind = "standard"\nsecret_env = "SUPPORT_WEBHOOK_SECRET"\n'


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


class TestDefaults:
    def test_run_needs_nothing(self, tmp_path):
        """Without any variable or file, `run` gets the contract's defaults."""
        assert load({}, role="run", cwd=tmp_path, kinds=KINDS) == Settings(
            acquire=AcquireSettings(
                account_id=None,
                api_key=None,
                origin=None,
                timeout_seconds=10,
                rate_per_second=20,
                user_type="",
                body={"title": "{{ ticket_id }}"},
            ),
            reopen=ReopenSettings(
                max_attempts=12,
                max_age_seconds=86400,
                backoff_base_seconds=2,
                backoff_cap_seconds=900,
                on_open_case="append",
                on_unknown="check",
                settle_seconds=15,
            ),
            retention=RetentionSettings(done_days=30, dead_days=365),
            sources={},
            redis_url=None,
            host="127.0.0.1",
            port=8080,
            admin_token=None,
            data_dir=tmp_path / ".reopener",
            concurrency=32,
        )

    def test_source_defaults(self, read):
        """A source of kind and secret alone gets the contract's defaults."""
        source = read(SUPPORT).sources["support"]
        assert (source.name, source.kind, source.secrets) == (
            "support",
            "standard",
            (Secret(WEBHOOK_SECRET),),
        )
        assert (source.tolerance_seconds, source.lookup, source.map, source.options) == (300, "none", {}, {})

    def test_empty_variables_count_as_unset(self, tmp_path):
        """Variables with nothing in them, as Compose passes on unset ones, are as good as absent."""
        others = "CONFIG", "HOST", "PORT", "DATA_DIR", "CONCURRENCY"
        names = *ACCOUNT, *REDIS, "ACQUIRE_BASE_URL", "ACQUIRE_ALLOW_HTTP", *(f"REOPENER_{x}" for x in others)
        empty = dict.fromkeys(names, "")
        settings = load(empty, role="run", cwd=tmp_path, kinds=KINDS)
        assert settings == load({}, role="run", cwd=tmp_path, kinds=KINDS)


class TestReading:
    def test_every_variable(self, tmp_path):
        """Each variable of the contract's table arrives in its field."""
        environ = {
            "ACQUIRE_ACCOUNT_ID": "tenant.uat.env",
            "ACQUIRE_API_KEY": "test-api-key",
            "REDIS_URL": "rediss://:test-password@redis.example:6380/2",
            "REOPENER_HOST": "::",
            "REOPENER_PORT": "0",
            "REOPENER_ADMIN_TOKEN": "test-admin-token",
            "REOPENER_DATA_DIR": "kept/here",
            "REOPENER_CONCURRENCY": "64",
        }
        settings = load(environ, role="run", cwd=tmp_path, kinds=KINDS)
        assert settings.acquire.account_id == "tenant.uat.env"
        assert settings.acquire.origin == "https://tenant.uat.env.acquire.io"
        assert settings.acquire.api_key == Secret("test-api-key")
        assert settings.redis_url == Secret("rediss://:test-password@redis.example:6380/2")
        assert (settings.host, settings.port, settings.concurrency) == ("::", 0, 64)
        assert settings.admin_token == Secret("test-admin-token")
        assert settings.data_dir == tmp_path / "kept/here"

    def test_contracts_own_file(self, read):
        """The file that the contract shows is read, value by value."""
        settings = read(
            """
            [acquire]
            timeout_seconds = 12.5
            rate_per_second = 0
            user_type = "contact"
            [acquire.body]
            title = "Ticket {{ ticket_id }} of {{source}}"
            channel = "email"
            fields = { origin = ["{{ event_id }}", 1, true] }
            [reopen]
            max_attempts = 3
            max_age_seconds = 60
            backoff_base_seconds = 0.5
            backoff_cap_seconds = 5
            on_open_case = "ignore"
            on_unknown = "hold"
            settle_seconds = 1
            [retention]
            done_days = 7
            dead_days = 8
            [redis]
            wait_replicas = 2
            wait_aof = true
            wait_timeout_ms = 700
            [sources.support]
            kind = "standard"
            secret_envs = ["SUPPORT_WEBHOOK_SECRET", "OLD_SECRET"]
            tolerance_seconds = 60
            lookup = "email"
            [sources.support.map]
            contact_id = "data.contact_id"
            thread_id = "to_number(data.thread_id)"
            message = "data.message"
            [sources.shop]
            kind = "static"
            secret_env = "OLD_SECRET"
            auth = "header"
            header = "X-Key"
            """,
            {**COMPLETE, "OLD_SECRET": "test-old-secret"},
        )
        assert (settings.acquire.timeout_seconds, settings.acquire.rate_per_second) == (12.5, 0)
        assert settings.acquire.user_type == "contact"
        assert settings.acquire.body == {
            "title": "Ticket {{ ticket_id }} of {{source}}",
            "channel": "email",
            "fields": {"origin": ["{{ event_id }}", 1, True]},
        }
        assert settings.reopen == ReopenSettings(3, 60, 0.5, 5, "ignore", "hold", 1)
        assert settings.retention == RetentionSettings(7, 8)
        assert settings.redis == RedisSettings(2, wait_aof=True, wait_timeout_ms=700)
        support, shop = settings.sources["support"], settings.sources["shop"]
        assert support.secrets == (Secret(WEBHOOK_SECRET), Secret("test-old-secret"))
        assert (support.tolerance_seconds, support.lookup) == (60, "email")
        assert support.map["thread_id"] == "to_number(data.thread_id)"
        assert shop.options == {"auth": "header", "header": "X-Key"}

    def test_redis_from_the_environment(self, read):
        """What is asked of Redis may differ from deployment to deployment: the environment comes first."""
        file = "[redis]\nwait_replicas = 2\nwait_aof = true\nwait_timeout_ms = 700"
        environ = {"REOPENER_WAIT_REPLICAS": "1", "REOPENER_WAIT_AOF": "0"}
        assert read(file, {**COMPLETE, **environ}).redis == RedisSettings(1, False, 700)

    def test_further_body_fields_keep_the_title(self, read):
        """A field added in [acquire.body] does not take the default title away."""
        body = read('[acquire.body]\nchannel = "email"').acquire.body
        assert body == {"title": "{{ ticket_id }}", "channel": "email"}

    def test_named_file(self, tmp_path):
        """REOPENER_CONFIG names the file, relative to the folder of the process."""
        (tmp_path / "other.toml").write_text("[retention]\ndone_days = 3\n")
        environ = {"REOPENER_CONFIG": "other.toml"}
        assert load(environ, role="tool", cwd=tmp_path, kinds=KINDS).retention.done_days == 3

    @pytest.mark.parametrize(
        ("url", "origin"),
        [
            ("https://acquire.example", "https://acquire.example"),
            ("https://Acquire.example:8443/", "https://acquire.example:8443"),
            ("http://127.0.0.2:8081", "http://127.0.0.2:8081"),
            ("http://[::1]:8081", "http://[::1]:8081"),
            ("http://localhost", "http://localhost"),
        ],
    )
    def test_base_url_gives_the_origin(self, read, url, origin):
        """ACQUIRE_BASE_URL wins over the account's own address; plain http goes to loopback addresses."""
        assert read(environ={**COMPLETE, "ACQUIRE_BASE_URL": url}).acquire.origin == origin

    def test_plain_http_when_allowed(self, read):
        """ACQUIRE_ALLOW_HTTP=1 allows plain http to another host."""
        allowed = {**COMPLETE, "ACQUIRE_BASE_URL": "http://sandbox:8081", "ACQUIRE_ALLOW_HTTP": "1"}
        assert read(environ=allowed).acquire.origin == "http://sandbox:8081"

    @pytest.mark.parametrize(
        "url",
        [
            "redis://localhost",
            "redis://user:p%40ss@redis.example:6379/15",
            "rediss://redis.example?socket_timeout=3",
            "unix:///run/redis/redis.sock",
            "unix://:test-password@/run/redis.sock?db=1",
            "redis+sentinel://:test-password@one:26379,two:26379/main/0",
        ],
    )
    def test_redis_urls(self, read, url):
        """All four schemes of REDIS_URL are taken as they are."""
        assert read(environ={**COMPLETE, "REDIS_URL": url}).redis_url == Secret(url)

    def test_tool_finds_the_embedded_redis(self, tmp_path):
        """A tool without REDIS_URL takes the socket that the embedded Redis of the data folder wrote down."""
        import socket
        import tempfile

        with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as server:
            server.bind(f"{short}/a b.sock")
            (tmp_path / ".reopener" / "redis").mkdir(parents=True)
            (tmp_path / ".reopener" / "redis" / "socket").write_text(f"{short}/a b.sock\n")
            tool = load({}, role="tool", cwd=tmp_path, kinds=KINDS)
            assert tool.redis_url == Secret(f"unix://{short}/a%20b.sock")
            assert load({}, role="run", cwd=tmp_path, kinds=KINDS).redis_url is None


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

    def test_unknown_kind_names_the_nearest(self, faults):
        """An unknown kind names the nearest and all known ones."""
        (fault,) = faults(SUPPORT.replace("standard", "zendeks"))
        assert 'did you mean "zendesk"?' in fault
        assert "standard, static, zendesk, zoho-desk" in fault

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
