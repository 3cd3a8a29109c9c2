"""Verbs for many, where no worker is needed to see them: taken up, told of, stopped half-way."""

from __future__ import annotations

from tests.edge.test_cli import call
from tests.edge.told import refused
from tests.running import Site, reply

AT_ONCE = 8


def cancelled(site: Site, count: int, *, source: str = "support") -> list[str]:
    """So many that a person called off."""
    ids = []
    for number in range(count):
        told = site.deliver(
            reply(thread_id=9000 + number), source=source, event_id=f"{source}_{number}"
        ).json()
        ids.append(told["reopen_id"])
        site.api("POST", f"/api/reopens/{ids[-1]}/cancel")
    return ids


def retried(site: Site, **told: str) -> str:
    """The address of a bulk retry."""
    answer = site.api("POST", "/api/reopens/retry", {"status": "cancelled", **told})
    assert set(answer.json()) == {"count"}
    return answer.headers["location"]


def test_all_are_queued_and_a_few_begun(site: Site):
    """All that match are queued at once, and as many begun as may be in work at a time; the rest waits."""
    ids = cancelled(site, 12)
    told = site.api("GET", retried(site)).json()
    assert (told["state"], told["count"], told["in_work"], told["left"]) == ("running", 12, AT_ONCE, 4)
    assert {site.reopen(each)["status"] for each in ids} == {"queued"}
    assert site.redis.zcount("reopener:due", 0, "+inf") >= AT_ONCE
    assert site.api("GET", "/api/bulk").json()["bulks"] == [told]


def test_what_was_not_begun_is_as_it_was(site: Site):
    """Stopped before a worker claimed any, all are in every field what they were, and counted."""
    ids = cancelled(site, 12)
    before = [site.reopen(each) for each in ids]
    stats, counts = site.stats(), site.redis.hgetall("reopener:counts")
    address = retried(site)
    told = site.api("POST", f"{address}/cancel").json()
    assert (told["state"], told["taken_back"], told["left"], told["in_work"]) == ("cancelled", 12, 0, 0)
    assert [site.reopen(each) for each in ids] == before
    assert site.stats()["by_status"] == stats["by_status"]
    assert site.stats()["balanced"]
    assert site.redis.hgetall("reopener:counts") == counts, "no chart shows another end"
    assert not site.redis.exists("reopener:inbox:9000", "reopener:bulks:work")
    assert refused(site.api("POST", f"{address}/cancel"), 409) == "conflict"
    assert refused(site.api("POST", "/api/bulk/nothing/cancel"), 404) == "not_found"
    assert refused(site.api("GET", "/api/bulk/nothing"), 404) == "not_found"


def test_several_take_turns(site: Site):
    """A small bulk retry does not wait for a large one: each has its turn."""
    cancelled(site, 30)
    cancelled(site, 6, source="second")
    large = retried(site, source="support")
    assert site.api("GET", large).json()["in_work"] == AT_ONCE
    small = retried(site, source="second")
    for each in site.redis.hkeys("reopener:bulks:work"):
        site.redis.hset(f"reopener:r:{each.decode()}", "status", "reopened")  # as a worker would leave them
    retried(site, source="nobody")  # whoever comes by begins what there is room for
    told = site.api("GET", large).json()
    assert (told["ended"], told["in_work"], told["left"]) == ({"reopened": 8}, 4, 18)
    assert site.api("GET", small).json()["in_work"] == 4


def test_what_went_on_by_itself_is_not_taken_back(site: Site):
    """What a person cancels while it waits in its lane stays cancelled, and counts as ended."""
    ids = cancelled(site, 10)
    address = retried(site)
    last = next(each for each in ids if not site.redis.hexists("reopener:bulks:work", each))
    site.api("POST", f"/api/reopens/{last}/cancel")
    told = site.api("POST", f"{address}/cancel").json()
    assert told["taken_back"] == 9
    retried(site, source="nobody")
    assert site.api("GET", address).json()["ended"] == {"cancelled": 1}


def test_the_command_line_tells_and_stops(site: Site):
    """`reopener bulk` shows how far each is, and `--cancel` stops one."""
    cancelled(site, 10)
    assert "10 retried" in call(site, "retry", "--status", "cancelled", "--yes").stdout
    shown = call(site, "bulk").stdout.splitlines()
    bulk_id = shown[1].split()[0]
    assert "retry all cancelled  running  10  2     8" in shown[1]
    assert '"taken_back": 10' in call(site, "bulk", bulk_id, "--cancel", "--json").stdout
    assert call(site, "bulk", bulk_id, "--cancel").exit_code == 1
    assert call(site, "bulk", "--cancel").exit_code == 2
