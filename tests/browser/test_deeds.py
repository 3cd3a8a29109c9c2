"""What people do on the dashboard, in a real browser against the running service."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.stage import REFUSAL, said
from tests.running import TOKEN, VIEWER_TOKEN, Whole


def test_signing_in_and_out(opened: Callable[..., Page]):
    """A wrong token is told so; the right one leads to the page that was asked for; signing out ends it."""
    page = opened(token=None)
    page.goto("/audit")
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("neither the admin token nor the viewer token")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/audit")
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.goto("/reopens")
    page.wait_for_url("**/login?**")


def test_a_new_reopen_appears_live(whole: Whole, page: Page):
    """A reply shows on the open page without a reload, and not under the pointer of somebody who reads."""
    first = said(whole, "first", ticket_id="first-ticket")
    page.goto("/reopens")
    page.locator("#live.on").wait_for()
    page.evaluate("window.isSamePage = true")
    page.mouse.move(1, 1)
    said(whole, "second", ticket_id="second-ticket")
    expect(page.locator("#list")).to_contain_text("second-ticket")
    whole.until(first, "reopened")
    expect(page.locator("#list .status.reopened").first).to_be_visible()
    page.locator("#list tbody tr").first.hover()
    said(whole, "third", ticket_id="third-ticket")
    with page.expect_response(lambda answer: "x-live" in answer.request.headers and answer.ok):
        said(whole, "fourth", ticket_id="fourth-ticket")
    expect(page.locator("#list")).not_to_contain_text("third-ticket")
    page.mouse.move(1, 1)
    expect(page.locator("#list")).to_contain_text("fourth-ticket")
    assert page.evaluate("window.isSamePage")


def test_bulk_retry_of_dead_ones(whole: Whole, page: Page):
    """Failures of one kind are retried together from the overview, after the number was shown."""
    whole.faults({"kind": "status", "on": "create", "status": 422, "body": REFUSAL})
    dead = [said(whole, f"dead-{n}", thread_id=3000 + n) for n in range(5)]
    for each in dead:
        whole.until(each, "dead")
    whole.faults()
    page.goto("/")
    page.get_by_role("button", name="Retry this group").click()
    expect(page.locator("h1")).to_have_text("Retry 5 reopens?")
    page.get_by_label("Why, for the audit log").fill("unblocked")
    page.get_by_role("button", name="Retry 5").click()
    expect(page.locator("main")).to_contain_text("5 of 5 taken up")
    for each in dead:
        whole.until(each, "reopened")
    page.goto("/audit")
    expect(page.locator("tbody tr").first).to_contain_text("Anna")
    expect(page.locator("tbody tr").first).to_contain_text("unblocked")


def test_a_bulk_retry_is_stopped_half_way(whole: Whole, page: Page):
    """The list shows how far a retry of many is, and its button gives back what no worker has begun."""
    whole.api("POST", "/api/pause")
    for number in range(10):
        each = said(whole, f"off-{number}", thread_id=3100 + number)
        whole.api("POST", f"/api/reopens/{each}/cancel")
    page.goto("/reopens?status=cancelled")
    page.get_by_role("button", name="All that match").click()
    page.get_by_role("button", name="Retry 10").click()
    expect(page.locator("main")).to_contain_text("10 of 10 taken up")
    page.goto("/reopens")
    expect(page.locator("#bulk")).to_contain_text("Of 10, 10 wait")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("main")).to_contain_text("10 that no worker had begun are as they were")
    assert whole.stats()["by_status"]["cancelled"] == 10
    whole.api("POST", "/api/resume")


def test_chosen_ones_are_cancelled(whole: Whole, page: Page):
    """Ticked rows alone are meant, and those that cannot be are told apart before anything happens."""
    held = said(whole, "held", contact_id=None, thread_id=None)
    done = said(whole, "done", ticket_id="4712")
    whole.until(done, "reopened")
    page.goto("/reopens")
    page.get_by_label("Choose all on this page").check()
    page.get_by_label("Do").select_option("cancel")
    page.get_by_role("button", name="The chosen ones").click()
    expect(page.locator("main")).to_contain_text("1 of 2 chosen can be done")
    page.get_by_role("button", name="Cancel 1").click()
    expect(page.locator("main")).to_contain_text("1 had gone on meanwhile")
    assert whole.reopen(held)["status"] == "cancelled"


def test_resolve_of_a_held_one(whole: Whole, page: Page):
    """Whose reply it is, is looked up in Acquire and said with one press; the reply then goes on."""
    held = said(whole, "held", contact_id=None, thread_id=None)
    page.goto(f"/reopens/{held}")
    page.get_by_label("Find the contact in Acquire").fill("customer@example.com")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name="Use this").first.click()
    expect(page.locator("#state .status.reopened")).to_be_visible()
    expect(page.locator("#story")).to_contain_text("Anna")
    assert whole.until(held, "reopened")["thread_id"] == 1683


def test_run_again_needs_a_reason(whole: Whole, page: Page):
    """A finished one is done once more as a new reopen, with the reason in its story."""
    done = said(whole, "done")
    whole.until(done, "reopened")
    page.goto(f"/reopens/{done}")
    page.get_by_label("Once more, because").fill("the agent closed it by mistake")
    page.get_by_role("button", name="Run again").click()
    page.wait_for_url(lambda url: done not in url)
    expect(page.locator("#story")).to_contain_text("the agent closed it by mistake")


def test_pause_and_resume(whole: Whole, page: Page):
    """Paused, replies are taken and wait; resumed, they go on."""
    page.goto("/")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#problems")).to_contain_text("Paused by Anna")
    waiting = said(whole, "waiting")
    page.mouse.move(1, 1)
    expect(page.locator("#latest")).to_contain_text("queued")
    page.get_by_role("button", name="Resume").click()
    whole.until(waiting, "reopened")
    assert not whole.stats()["paused"]


def test_a_test_through_the_front_door(whole: Whole, page: Page):
    """The set-up page sends a signed sample of a source the whole way in, and tells what came of it."""
    page.goto("/setup")
    source = page.locator("#source-support")
    source.get_by_text("Send a signed test").click()
    source.get_by_role("button", name="Send test").click()
    expect(source).to_contain_text("200")
    source.get_by_role("link", name="Its story").click()
    expect(page.locator("#state")).to_contain_text("contact unknown")


def test_a_viewer_changes_nothing(whole: Whole, opened: Callable[..., Page]):
    """With the viewer token everything shows and nothing can be pressed, nor posted by hand."""
    held = said(whole, "held", contact_id=None, thread_id=None)
    page = opened(token=VIEWER_TOKEN)
    for address in ("/", "/reopens", f"/reopens/{held}", "/setup"):
        page.goto(address)
        page.locator("#live.on").wait_for()
        names = {"Sign out", "Show", "Close", "Copy"}
        assert {button.inner_text() for button in page.get_by_role("button").all()} <= names
    token = page.locator("input[name=csrf_token]").first.get_attribute("value")
    answer = page.request.post(f"/reopens/{held}/cancel", form={"csrf_token": token or ""})
    assert answer.status == 403
    assert whole.reopen(held)["status"] == "held"


def test_export_is_what_the_list_shows(whole: Whole, page: Page):
    """CSV and JSON lines hold what the filter matches, and no cell that a spreadsheet would run."""
    said(whole, "=1+1", contact_id=None, thread_id=None)
    whole.until(said(whole, "done", thread_id=1684), "reopened")
    lines = page.request.get("/reopens/export.csv?status=held").text().splitlines()
    assert len(lines) == 2
    assert "'=1+1" in lines[1]
    (told,) = page.request.get("/reopens/export.jsonl?status=reopened").text().splitlines()
    assert '"event_id": "done"' in told


def test_a_form_of_another_site_does_nothing(whole: Whole, page: Page):
    """Without the session's CSRF token no change is made."""
    answer = page.request.post("/pause", form={"csrf_token": "guessed"})
    assert answer.status == 403
    assert not whole.stats()["paused"]
