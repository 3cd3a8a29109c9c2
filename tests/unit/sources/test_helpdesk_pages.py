"""docs/helpdesks: a page for each kind, whose settings load and whose bodies are read as they say."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from service.domain.decide import Accept, decide
from service.settings import load_source
from service.sources import KINDS, Request
from tests.unit.sources.deliveries import NOW, URL, request_of

FOLDER = Path(__file__).parents[3] / "docs" / "helpdesks"
PAGES = {path.stem: path.read_text("utf-8") for path in FOLDER.glob("*.md") if path.stem != "README"}
SECTIONS = ("Settings", "Try it", "What the scheme protects from", "Repeats, and when we are down")
FILLED = {"message.from_agent": "False", "message.public": "True", "text": "It broke again."}


def blocks(language):
    """Page and text of each block of code in that language."""
    found = [
        (name, text)
        for name, page in PAGES.items()
        for text in re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    ]
    return pytest.mark.parametrize(("name", "text"), found, ids=[f"{name}" for name, _ in found])


def sources(text):
    """The sources of a block of settings; loading them finds no fault."""
    return [load_source(name, table, {}) for name, table in tomllib.loads(text)["sources"].items()]


def first_source(name):
    text = re.search(r"^```toml\n(.*?)^```", PAGES[name], re.MULTILINE | re.DOTALL)
    return sources(text[1])[0]


def filled(text):
    """The body as the helpdesk sends it: something in the place of each placeholder."""
    return re.sub(r"\{\{(.+?)\}\}", lambda found: FILLED.get(found[1].strip(), "4711"), text)


def test_each_kind_has_a_page():
    """No kind without a page, no page without a kind, and the index leads to each."""
    assert PAGES.keys() == KINDS.keys()
    index = (FOLDER / "README.md").read_text("utf-8")
    assert set(re.findall(r"\]\((.+?)\.md\)", index)) == PAGES.keys()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_answers_the_same_questions(name):
    """Settings, where to click, how to try it, what the scheme protects from, what an outage costs."""
    headings = re.findall(r"^## (.+)$", PAGES[name], re.MULTILINE)
    assert set(SECTIONS) <= set(headings)
    assert any(heading.startswith(("In ", "At ")) for heading in headings)
    assert "https://your-host/webhooks/" in PAGES[name]
    assert "reopener send" in PAGES[name]


@blocks("toml")
def test_the_settings_of_a_page_load(name, text):
    """Each table is of the page's kind and has no fault."""
    assert {source.kind for source in sources(text)} == {name}


@blocks("json")
def test_the_body_of_a_page_is_a_customers_reply(name, text):
    """What people are told to write into their helpdesk is read and accepted, with the customer's words."""
    source = first_source(name)
    headers = {
        "webhook-id": "evt_1",
        "x-zendesk-webhook-invocation-id": "evt_1",
        "x-zendesk-webhook-signature-timestamp": "2026-11-23T10:00:00Z",
    }
    [event] = KINDS[name].read(request_of(json.loads(filled(text)), headers), source)
    assert isinstance(decide(event, KINDS[name].rules(source)), Accept)
    assert (event.ticket_id, event.author, bool(event.text)) == ("4711", "customer", True)


def test_githubs_scheme_is_one_that_can_be_put_together():
    """The page's example verifies a delivery signed as GitHub signs, and reads a comment on an issue."""
    source = first_source("hmac")
    source = load_source(
        source.name,
        {"kind": "hmac", "secret_env": "DESK_SECRET", **source.options, "map": dict(source.map)},
        {"DESK_SECRET": "It's a Secret to Everybody"},
    )
    body = {"action": "created", "issue": {"number": 7}, "comment": {"body": "It broke again."}}
    named = {"x-github-delivery": "72d3162e", "x-github-event": "issue_comment"}
    signed = KINDS["hmac"].scheme.sign(
        Request("POST", URL, {}, json.dumps(body).encode(), {}), source, NOW, None
    )
    request = Request("POST", URL, {**signed.headers, **named}, signed.body, {})
    KINDS["hmac"].verify(request, source, NOW)
    [event] = KINDS["hmac"].read(request, source)
    assert decide(event, KINDS["hmac"].rules(source)) == Accept(None, None)
    assert (event.event_id, event.ticket_id, event.text) == ("72d3162e", "7", "It broke again.")
