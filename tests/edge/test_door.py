"""Who may see and do what on the dashboard: sessions, roles, forms, and streams that end with the server."""

from __future__ import annotations

import re
import signal
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.routing import Route

from service.auth import COOKIE, LOGIN_ATTEMPTS, MOST_ADDRESSES, Gatekeeper
from service.dashboard.routes import routes
from service.server import DRAIN_SECONDS
from service.settings import Secret, load
from tests.clocks import HandClock
from tests.running import ROOT, TOKEN, VIEWER_TOKEN, Site, environment, process, site_on, until

ADMIN, VIEWER = {"token": TOKEN, "name": "Anna"}, {"token": VIEWER_TOKEN}


@pytest.fixture
def client(site: Site):
    with httpx.Client(base_url=site.origin, timeout=10, trust_env=False) as opened:
        yield opened


def with_cookie(value: str) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", f"{COOKIE}={value}".encode())]})


class TestSessions:
    @pytest.fixture
    def settings(self, tmp_path: Path):
        return load(environment(tmp_path, "redis://localhost"), role="serve", cwd=ROOT)

    def test_it_expires(self, settings):
        """A session ends by itself, however it was kept."""
        clock = HandClock()
        gatekeeper = Gatekeeper(settings, clock)
        request = with_cookie(gatekeeper.new_session("admin", "Anna ☂"))
        assert gatekeeper.session(request).name == "Anna ☂"
        clock.moment += timedelta(hours=12, seconds=-1)
        assert gatekeeper.session(request) is not None
        clock.moment += timedelta(seconds=1)
        assert gatekeeper.session(request) is None

    def test_a_new_token_ends_it(self, settings):
        """Who changes a token ends the sessions that it opened, and no others."""
        clock = HandClock()
        before = Gatekeeper(settings, clock)
        after = Gatekeeper(replace(settings, viewer_token=Secret("another-viewer-token-0123456789")), clock)
        assert after.session(with_cookie(before.new_session("viewer"))) is None
        assert after.session(with_cookie(before.new_session("admin"))) is not None

    @pytest.mark.parametrize("part", [0, 1, 2, 3])
    def test_nothing_in_it_can_be_changed(self, settings, part: int):
        """Expiry, role, name and signature hang together."""
        gatekeeper = Gatekeeper(settings, HandClock())
        parts = gatekeeper.new_session("viewer", "Anna").split(".")
        parts[part] = ["99999999999", "admin", "Qm9i", "0" * 64][part]
        assert gatekeeper.session(with_cookie(".".join(parts))) is None

    def test_what_a_form_carries_signs_no_session(self, settings):
        """A CSRF token is good for forms alone, whatever cookie it was made for."""
        gatekeeper = Gatekeeper(settings, HandClock())
        told = "99999999999.admin.Qm9i"
        token = gatekeeper.csrf_token(with_cookie(told))
        assert gatekeeper.session(with_cookie(f"{told}.{token}")) is None

    def test_a_name_is_bounded(self, settings):
        """Who signs in is called what they say, in up to 60 characters."""
        gatekeeper = Gatekeeper(settings, HandClock())
        assert gatekeeper.session(with_cookie(gatekeeper.new_session("admin", "x" * 99))).name == "x" * 60

    @pytest.mark.parametrize("value", ["", ".", "...", "a.b.c.d", "²³.admin..x", "1" * 5000])
    def test_nonsense_is_no_session(self, settings, value: str):
        """Any bytes in the cookie are refused without a fault."""
        request = with_cookie("")
        request.scope["headers"] = [(b"cookie", f"{COOKIE}={value}".encode())]
        assert Gatekeeper(settings, HandClock()).session(request) is None


class TestSigningIn:
    def test_pages_lead_there_and_back(self, client: httpx.Client):
        """Without a session a page leads to the sign-in, which leads back to what was asked for."""
        answer = client.get("/reopens?status=dead")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login?next=%2Freopens%3Fstatus%3Ddead"
        answer = client.post("/login", data={**ADMIN, "next": "/reopens?status=dead"})
        assert answer.headers["location"] == "/reopens?status=dead"
        flags = answer.headers["set-cookie"].lower()
        assert "httponly" in flags
        assert "samesite=lax" in flags
        assert "max-age=43200" in flags

    def test_behind_a_proxy_that_ends_tls_the_cookie_is_for_https_alone(self, client: httpx.Client):
        """A proxy on this machine is believed what it forwards: that the browser came by HTTPS, say."""
        for headers, is_secure in (({}, False), ({"x-forwarded-proto": "https"}, True)):
            cookie = client.post("/login", data=ADMIN, headers=headers).headers["set-cookie"].lower()
            assert ("; secure" in cookie) == is_secure

    @pytest.mark.parametrize("target", ["//other.example", "https://other.example", "/\\other", "script:x"])
    def test_it_leads_to_no_other_site(self, client: httpx.Client, target: str):
        """Whoever made the link, nobody is sent elsewhere after signing in."""
        assert client.post("/login", data={**ADMIN, "next": target}).headers["location"] == "/"

    def test_attempts_are_limited(self, tmp_path: Path):
        """After some failures nobody may try from that address for a while; others are not locked out."""
        clock = HandClock()
        settings = load(environment(tmp_path, "redis://localhost"), role="serve", cwd=ROOT)
        gatekeeper = Gatekeeper(settings, clock)
        for _ in range(10):
            assert gatekeeper.may_try("192.0.2.1")
            gatekeeper.note_failure("192.0.2.1")
        assert not gatekeeper.may_try("192.0.2.1")
        assert gatekeeper.may_try("192.0.2.2")
        clock.moment += timedelta(seconds=59)
        assert not gatekeeper.may_try("192.0.2.1")
        clock.moment += timedelta(seconds=2)
        assert gatekeeper.may_try("192.0.2.1")

    def test_who_guesses_is_told_to_wait(self, tmp_path: Path, redis_url: str):
        """After ten wrong tokens from an address the right one has to wait too."""
        with site_on(environment(tmp_path, redis_url)) as site:
            told = [site.client.post("/login", data={"token": f"guess-{n}"}).status_code for n in range(11)]
            assert told == [401] * 10 + [429]
            assert site.client.post("/login", data=ADMIN).status_code == 429

    def test_strangers_are_not_remembered_without_bound(self, tmp_path: Path):
        """Of very many addresses those that failed last are remembered."""
        settings = load(environment(tmp_path, "redis://localhost"), role="serve", cwd=ROOT)
        gatekeeper = Gatekeeper(settings, HandClock())
        for number in (*range(2 * MOST_ADDRESSES), *[0] * LOGIN_ATTEMPTS):
            gatekeeper.note_failure(str(number))
        assert len(gatekeeper._failures) == MOST_ADDRESSES
        assert not gatekeeper.may_try("0")
        for number in (*range(1, MOST_ADDRESSES), 0, -1):
            gatekeeper.note_failure(str(number))
        assert not gatekeeper.may_try("0")


class TestRoles:
    def test_a_viewer_reads_the_api_and_changes_nothing(self, site: Site):
        """The viewer token reads what the admin token reads; each change is refused with words."""
        headers = {"authorization": f"Bearer {VIEWER_TOKEN}"}
        assert site.client.get("/api/stats", headers=headers).status_code == 200
        answer = site.client.post("/api/pause", headers=headers)
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "read_only"
        assert not site.stats()["paused"]

    @pytest.mark.parametrize("address", ["/pause", "/reopens/choose", "/reopens/act", "/setup/support/test"])
    def test_a_viewer_cannot_post(self, client: httpx.Client, address: str):
        """A form with a viewer's own CSRF token is refused all the same."""
        client.post("/login", data=VIEWER)
        page = client.get("/").text
        token = page.split('name="csrf_token" value="')[1].split('"')[0]
        form = {"csrf_token": token, "verb": "retry", "scope": "all"}
        assert client.post(address, data=form).status_code == 403

    def test_no_form_is_taken_without_the_token_of_its_session(
        self, client: httpx.Client, site: Site, ledger
    ):
        """Every change needs what only a page of the same session holds; without a session all leads to
        the sign-in.
        """
        settings = load(site.environment, role="serve", cwd=ROOT)
        pages = [
            each for each in routes(ledger, settings, HandClock(), lambda: None) if isinstance(each, Route)
        ]
        forms = [each.path for each in pages if "POST" in (each.methods or ()) and each.path != "/login"]
        assert len(forms) > 10
        client.post("/login", data={**ADMIN, "name": "Somebody else"})
        another = client.get("/").text.split('name="csrf_token" value="')[1].split('"')[0]
        client.cookies.clear()
        for path in forms:
            answer = client.post(path.format(id="x", source="support"), data={"csrf_token": another})
            assert (answer.status_code, answer.headers["location"]) == (303, "/login"), path
        client.post("/login", data=ADMIN)
        for path in forms:
            for form in ({}, {"csrf_token": ""}, {"csrf_token": another}):
                answer = client.post(path.format(id="x", source="support"), data=form)
                assert answer.status_code == 403, path
        assert site.redis.xlen("reopener:audit") == 0

    def test_a_form_is_read_no_further_than_ours_are_long(self, client: httpx.Client, site: Site):
        """Of a form of more than 256 KiB nothing is taken."""
        client.post("/login", data=ADMIN)
        token = client.get("/").text.split('name="csrf_token" value="')[1].split('"')[0]
        assert client.post("/pause", data={"csrf_token": token, "more": "x" * 262_144}).status_code == 403
        assert not site.stats()["paused"]

    @pytest.mark.parametrize(
        ("address", "words"),
        [
            ("/reopens/unknown", "no reopen of that id"),
            ("/deliveries/unknown", "no delivery of that id"),
            ("/threads/999", "is known of a thread of that id"),
        ],
    )
    def test_what_nobody_knows_has_no_page(self, client: httpx.Client, address, words):
        """An address that names nothing known is answered with 404 and says what is not there."""
        client.post("/login", data=ADMIN)
        answer = client.get(address)
        assert answer.status_code == 404
        assert words in answer.text

    def test_pages_carry_a_strict_policy(self, client: httpx.Client):
        """Nothing from other hosts, no script or style within the page, no frame around it."""
        client.post("/login", data=ADMIN)
        for address in ("/", "/reopens", "/why", "/deliveries", "/threads", "/setup", "/audit", "/login"):
            answer = client.get(address)
            told = (each.split() for each in answer.headers["content-security-policy"].split(";"))
            policy = {name: " ".join(sources) for name, *sources in told}
            assert set(policy.values()) == {"'none'", "'self'"}
            # These do not fall back on `default-src`.
            assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
            assert policy["form-action"] == "'self'"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert answer.headers["cross-origin-opener-policy"] == "same-origin"
            assert answer.headers["cache-control"] == "no-store"
            assert "style=" not in answer.text
            assert " onclick" not in answer.text


def test_an_open_page_does_not_hold_the_server_up(redis_url: str, tmp_path: Path):
    """SIGTERM ends streams of news at once, and the server with them."""
    variables = environment(tmp_path, redis_url, REOPENER_PORT="0")
    log = tmp_path / "log"
    with process("-m", "service", "serve", variables=variables, log=log) as server:
        found = until(lambda: re.search(r"running on (http://[\d.:]+)", log.read_text("utf-8")))
        with httpx.Client(base_url=found[1], timeout=20, trust_env=False) as client:
            client.post("/login", data=ADMIN)
            with client.stream("GET", "/live") as news:
                lines = news.iter_lines()
                assert next(lines) == "retry: 2000"
                server.send_signal(signal.SIGTERM)
                assert server.wait(DRAIN_SECONDS - 3) == 0
