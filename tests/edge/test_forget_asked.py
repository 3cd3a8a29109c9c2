"""Forgetting a customer from the dashboard, the API and a shell."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import CliRunner

from service.cli.commands import main
from tests.edge.customers import stage, traces
from tests.running import TOKEN, Site


@pytest.fixture(autouse=True)
def _sure(monkeypatch):
    monkeypatch.setattr("service.forget.OUTLASTS_SECONDS", 0)


def signed_in(site: Site) -> str:
    """What a form of the session that is begun has to show."""
    site.client.post("/login", data={"token": TOKEN})
    return site.client.get("/audit").text.split('name="csrf_token" value="')[1].split('"')[0]


async def test_forget_from_the_dashboard(site: Site, ledger):
    """An admin forgets a customer at the foot of the audit log, having ticked that it is meant."""
    await stage(ledger)
    token = signed_in(site)
    told = {"csrf_token": token, "kind": "email", "value": " anna@example.com ", "source": ""}
    for wrong in (told, {**told, "value": "", "sure": "yes"}, {**told, "kind": "contact_id", "sure": "yes"}):
        answer = site.client.post("/forget", data=wrong)
        assert (answer.status_code, "Nothing was erased" in answer.text) == (409, True)
    answer = site.client.post("/forget", data={**told, "sure": "yes"})
    assert answer.status_code == 200
    assert "3 reopens" in answer.text
    site.redis.delete(*site.redis.keys("rq:*"))
    assert traces(site.redis) == []
    assert "an address" in site.client.get("/audit").text


def test_forget_wants_one_customer(site: Site):
    """None, two, or somebody unreadable is refused with what to mend."""
    for whom in ({}, {"email": "a@example.com", "ticket_id": "1"}, {"contact_id": "x"}, {"mail": "a"}):
        assert site.api("POST", "/api/forget", whom).status_code == 400


async def test_forget_from_a_shell(site: Site, ledger, monkeypatch):
    """`reopener forget` asks first, tells how much there was, and does the same."""
    await stage(ledger)
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    for wrong in (["--contact", "x"], ["--contact", "1", "--ticket", "2"], []):
        assert CliRunner().invoke(main, ["forget", "--yes", *wrong]).exit_code == 2
    unsure = CliRunner().invoke(main, ["forget", "--ticket", "anna-4711"], input="n\n")
    assert unsure.exit_code == 1
    done = await asyncio.to_thread(
        CliRunner().invoke, main, ["forget", "--contact", "0008154711", "--yes", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["reopens"] == 3
    site.redis.delete(*site.redis.keys("rq:*"))
    assert traces(site.redis) == []
