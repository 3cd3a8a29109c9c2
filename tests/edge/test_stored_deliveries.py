"""Deliveries that are kept: explained on the API and by the command line, and compared under other rules."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import CliRunner

from service.cli import main
from service.connections import async_client
from service.ledger.requests import KEPT_PER_SOURCE, KeptRequest, Requests
from tests import running
from tests.running import CONFIG, SECRETS, reply, until

KEEPING = f"{CONFIG}\n[retention]\nraw_hours = 1\n"
MAP = {"message": "data.words", "author": "data.who"}


@pytest.fixture(scope="module")
def kept_on(redis_server, tmp_path_factory):
    variables = running.environment(
        tmp_path_factory.mktemp("kept"), f"{redis_server.url}?db=3", config=KEEPING
    )
    with running.site_on(variables) as site:
        yield site


@pytest.fixture
def keeping(kept_on):
    """A site that keeps requests, with nothing kept yet."""
    kept_on.redis.flushdb()
    return kept_on


def delivered(site, number, **data):
    """Deliver a reply; the delivery's id, once it is kept."""
    answer = site.deliver(reply(ticket_id=f"T{number}", **data), event_id=f"evt-{number}")
    assert answer.status_code == 200, answer.text
    until(lambda: site.redis.zcard("reopener:raws:support") >= number)
    noted = until(lambda: site.api("GET", "/api/deliveries").json()["deliveries"])
    return next(each["id"] for each in noted if each["event_id"] == f"evt-{number}")


def command(site, *arguments):
    return CliRunner().invoke(main, ["explain", *arguments], env=dict(site.environment))


def test_a_stored_delivery_is_explained_on_the_api(keeping):
    """By the id in the list of deliveries: the contract's line, whose it is, and the ticket's link."""
    path = f"/api/deliveries/{delivered(keeping, 1)}/explain"
    keeping.api("PUT", "/api/links/support/T1", {"contact_id": 5, "thread_id": 6})
    told = keeping.api("GET", path).json()
    assert (told["verified"], told["source"]) == (True, "support")
    [event] = told["events"]
    assert (event["event_id"], event["ticket_id"], event["text"]) == ("evt-1", "T1", "It broke again.")
    assert (event["decision"], event["link"]) == ("accept", {"contact_id": 5, "thread_id": 6})
    assert keeping.client.get(path).status_code == 401


def test_another_map_is_tried_without_effect(keeping):
    """The comparison names each field that would differ, counts changed decisions, and has no effect."""
    delivered(keeping, 1)
    delivered(keeping, 2, words="Other words.", who="customer")
    before = keeping.stats()["by_status"]
    told = keeping.api("POST", "/api/sources/support/compare", {"map": MAP}).json()
    assert (told["compared"], told["differ"], told["decisions"]) == (2, 2, {"accept -> hold": 1})
    newest, oldest = told["deliveries"]
    assert newest["differences"] == [
        {"event": 0, "field": "text", "before": "It broke again.", "after": "Other words."}
    ]
    assert {"event": 0, "field": "reason", "before": None, "after": "drift"} in oldest["differences"]
    assert {"event": 0, "field": "why", "before": None, "after": "map.author"} in oldest["differences"]
    assert keeping.stats()["by_status"] == before


@pytest.mark.parametrize(
    ("path", "told", "status", "word"),
    [
        ("/api/sources/support/compare", {"map": {"mesage": "a"}}, 400, "message"),
        ("/api/sources/support/compare", {"map": {"message": "a["}}, 400, "JMESPath"),
        ("/api/sources/support/compare", {}, 400, "map"),
        ("/api/sources/nobody/compare", {"map": {}}, 404, "source"),
    ],
)
def test_a_map_at_fault_is_named(keeping, path, told, status, word):
    """What is wrong with the map is said as it would be of the settings file."""
    answer = keeping.api("POST", path, told)
    assert answer.status_code == status
    assert word in answer.json()["error"]["message"]


def test_the_command_line_compares_two_files(keeping, tmp_path):
    """`--config` or `--set` on stored deliveries tells the differences, for people and for programs."""
    delivered(keeping, 1)
    new = tmp_path / "new.toml"
    table = '[sources.support]\nkind = "standard"\nsecret_env = "SUPPORT_SECRET"\n'
    new.write_text(table + '[sources.support.map]\nthread_id = "data.other"\n', "utf-8")
    told = command(keeping, "support", "--stored", "--config", str(new))
    assert told.exit_code == 0, told.stderr
    assert "- 1683" in told.stdout
    assert "1 of 1 differ" in told.stdout
    told = command(keeping, "support", "--stored", "--set", "map.author=data.nobody", "--json")
    assert json.loads(told.stdout)["decisions"] == {"accept -> hold": 1}
    told = command(keeping, "support", "--stored", "--json")
    assert json.loads(told.stdout)["events"][0]["text"] == "It broke again."


def test_nothing_is_kept_where_no_setting_says_so(site):
    """By default no request is kept, and the answer says what would keep it."""
    site.deliver(event_id="evt-1")
    [noted] = until(lambda: site.api("GET", "/api/deliveries").json()["deliveries"])
    answer = site.api("GET", f"/api/deliveries/{noted['id']}/explain")
    assert answer.status_code == 404
    assert "raw_hours" in answer.json()["error"]["message"]
    assert not site.redis.keys("reopener:raw*")


def test_no_secret_is_in_what_is_kept(keeping):
    """Neither the secret nor the signature reaches Redis, and all of it expires."""
    delivered(keeping, 1)
    [key] = keeping.redis.keys("reopener:raw:*")
    assert 0 < keeping.redis.pttl(key) <= 3_600_000
    told = command(keeping, "support", "--stored", "--json").stdout
    assert SECRETS["SUPPORT_SECRET"] not in told
    refused = keeping.deliver(event_id="evt-2", age_seconds=3_600)
    assert refused.status_code == 401
    delivered(keeping, 2)
    assert keeping.redis.zcard("reopener:raws:support") == 2


def test_what_is_kept_is_bounded_and_can_be_forgotten(keeping):
    """Of each source the newest stay; requests that concern somebody are dropped when asked."""

    async def played():
        connection = async_client(keeping.environment["REDIS_URL"])
        requests = Requests(connection)
        batch = [KeptRequest(f"d{n}", "desk", n, f"of {n}".encode()) for n in range(1, KEPT_PER_SOURCE + 6)]
        await requests.keep(batch, ttl_ms=60_000)
        newest = await requests.newest("desk", 2)
        gone = await requests.one("d5")
        dropped = await requests.forget(["desk", "other"], lambda content: content == b"of 700")
        left = await requests.newest("desk", KEPT_PER_SOURCE)
        await connection.aclose()
        return newest, gone, dropped, left

    newest, gone, dropped, left = asyncio.run(played())
    assert [each.delivery_id for each in newest] == [f"d{KEPT_PER_SOURCE + 5}", f"d{KEPT_PER_SOURCE + 4}"]
    assert gone is None
    assert dropped == 1
    assert len(left) == KEPT_PER_SOURCE - 1 == len(keeping.redis.keys("reopener:raw:*"))
