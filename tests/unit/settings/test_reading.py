"""Settings: what is read from where, and the contract's defaults."""

from __future__ import annotations

import pytest

from service.settings import (
    AcquireSettings,
    RedisSettings,
    ReopenSettings,
    RetentionSettings,
    Secret,
    Settings,
    load,
)
from tests.unit.settings.told import ACCOUNT, COMPLETE, KINDS, REDIS, SUPPORT, WEBHOOK_SECRET


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
