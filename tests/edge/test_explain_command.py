"""`reopener explain`: what a person, or a program, is told of a recorded request."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from service.cli import main
from tests.unit.sources.configured import CONFIGURED, SECRET
from tests.unit.sources.deliveries import NOW, payload_cases

AT = NOW.isoformat()
BY_NAME = {one.name: one for one in CONFIGURED}
FIELDS = {
    "event_id",
    "ticket_id",
    "ticket_status",
    "customer_email",
    "customer_external_id",
    "author",
    "text",
    "occurred_at",
    "decision",
    "reason",
}


def told(folder, request, *arguments, secret=SECRET):
    """The JSON line for a request, and what was said beside it."""
    path = folder / "request.json"
    path.write_text(json.dumps(request), "utf-8")
    result = CliRunner().invoke(
        main, ["explain", *arguments, "--json", str(path)], env={"THE_SECRET": secret}
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), result.stderr


def as_file(request, **changes):
    return {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": request.body.decode(),
        **changes,
    }


@pytest.mark.parametrize("method", ["GET", "head"])
def test_a_set_up_probe_is_told_as_one(tmp_path, method):
    """What a helpdesk asks when its webhook is set up is a probe, and nothing is amiss with its body."""
    request = {"method": method, "url": "https://hooks.example.test/", "headers": {}, "body": ""}
    line, _ = told(tmp_path, request, "--kind", "standard", "--secret-env", "THE_SECRET", "--now", AT)
    assert (line["probe"], line["malformed"], line["events"]) == ("set_up_ping", None, [])


@pytest.mark.parametrize(("kind", "case"), payload_cases(), ids=lambda value: str(value)[:20])
def test_every_published_payload_is_read_without_a_configuration(tmp_path, kind, case):
    """With no option and no signature it says why nothing is verified, and reads on all the same."""
    request = {
        "method": "POST",
        "url": "https://hooks.example.test/",
        "headers": {"content-type": "application/json", **(case.get("headers") or {})},
        "body": json.dumps(case["payload"]),
    }
    line, said = told(tmp_path, request, "--kind", kind, "--secret-env", "THE_SECRET", "--now", AT)
    assert line["verified"] is False
    assert line["reason"]
    if case["payload"] == []:
        assert (line["events"], line["probe"]) == ([], "set_up_ping")
        return
    [event] = line["events"]
    assert event.keys() >= FIELDS
    for name in ("event_id", "ticket_id", "ticket_status", "author", "text"):
        assert event[name] == case["expected"][name], name
    wanted = {True: "accept", False: "ignore", None: "hold"}[case["is_customer_reply"]]
    assert event["decision"] == wanted
    assert SECRET not in said


@pytest.mark.parametrize("name", ["zendesk", "hubspot", "gladly", "dixa", "hmac-stamped"])
def test_the_clock_that_is_told_decides_on_age(tmp_path, name):
    """The same request is verified at its time, and too old an hour later, read alike both times."""
    one = BY_NAME[name]
    options = [f"--set={key}={value}" for key, value in one.source.options.items()]
    known = [*options, "--kind", one.kind.name, "--secret-env", "THE_SECRET"]
    secret = one.source.secrets[0].reveal()
    request = as_file(one.sample())
    now, _ = told(tmp_path, request, *known, "--now", AT, secret=secret)
    assert (now["verified"], now["reason"]) == (True, None)
    later, _ = told(tmp_path, request, *known, "--now", "2026-11-23T11:00:00Z", secret=secret)
    assert (later["verified"], later["reason"]) == (False, "timestamp_too_old")
    assert later["events"] == now["events"] != []


def test_a_verified_body_that_is_no_json_has_no_reason_for_refusal(tmp_path):
    """`reason` is about authenticity alone; what is wrong with the body stands beside it."""
    one = BY_NAME["intercom"]
    signed = one.kind.scheme.sign(
        type(one.sample())("POST", "https://x.test/", {}, b"Hello World!", {}), one.source, NOW, None
    )
    line, _ = told(tmp_path, as_file(signed), "--kind", "intercom", "--secret-env", "THE_SECRET", "--now", AT)
    assert (line["verified"], line["reason"], line["malformed"]) == (True, None, "not_json")
    assert line["mend"]
    assert line["events"] == []


def test_ids_that_are_digits_stay_text(tmp_path):
    """`--set org_id=700123` means the text, as it stands in Zoho."""
    request = as_file(BY_NAME["zoho-desk"].sample())
    line, said = told(tmp_path, request, "--kind", "zoho-desk", "--set", "org_id=1", "--set", "webhook_id=2")
    assert said == ""
    assert line["reason"] != "source_at_fault"


def test_an_event_without_an_id_says_what_stands_for_it(tmp_path):
    """The helpdesk gave no id, so `event_id` is null and the body's hash is named beside it."""
    request = as_file(BY_NAME["freshdesk"].sample())
    line, _ = told(tmp_path, request, "--kind", "freshdesk")
    [event] = line["events"]
    assert event["event_id"] is None
    assert event["stand_in_id"].startswith("sha256-")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--kind", "zendesc"], "zendesk"),
        (["--kind", "zendesk", "--set", "tolerence_seconds=3"], "tolerance_seconds"),
        (["--kind", "zendesk", "--set", "map.message=a["], "JMESPath"),
        (["--kind", "zendesk", "--set", "kind.x=1"], "kind is not a table"),
        (["--kind", "zendesk", "--now", "noon"], "--now"),
        ([], "FILE"),
    ],
)
def test_a_slip_of_the_pen_is_wrong_usage(tmp_path, arguments, word):
    """What was mistyped is named with what was meant, and the exit status is 2."""
    path = tmp_path / "request.json"
    path.write_text("{}", "utf-8")
    result = CliRunner().invoke(main, ["explain", *arguments, *([str(path)] if arguments else [])])
    assert result.exit_code == 2
    assert word in result.stderr


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("no json", "JSON"),
        ("[" * 100_000, "JSON"),
        ("[]", "object"),
        ('{"url": "http://[x"}', "url"),
        ('{"headers": {"a": 1}}', "headers"),
        ('{"body_base64": "!"}', "base64"),
    ],
)
def test_a_file_that_is_no_request_leaves_the_others_explained(tmp_path, text, word):
    """What is wrong with it is said, the next file is explained, and the exit status tells."""
    bad, good = tmp_path / "bad.json", tmp_path / "good.json"
    bad.write_text(text, "utf-8")
    good.write_text(json.dumps(as_file(BY_NAME["freshdesk"].sample())), "utf-8")
    result = CliRunner().invoke(main, ["explain", "--kind", "freshdesk", "--json", str(bad), str(good)])
    assert result.exit_code == 1
    assert any("bad.json" in line and word in line for line in result.stderr.splitlines())
    assert len(json.loads(result.stdout)["events"]) == 1


def test_it_tells_a_person_step_by_step(tmp_path):
    """Without --json: verified or why not, then each field, and the decision with its reason in words."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(as_file(BY_NAME["intercom"].sample())), "utf-8")
    arguments = ["explain", "--kind", "intercom", "--secret-env", "THE_SECRET", str(path)]
    result = CliRunner().invoke(main, arguments, env={"THE_SECRET": "another secret"})
    assert result.exit_code == 0
    for words in ("verified   no: signature_mismatch", "It broke again.", "4711", "accept"):
        assert words in result.stdout
