"""`reopener send`: a realistic sample of every kind, signed so that the receiver takes it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from service.cli import main
from tests.running import CONFIG, environment
from tests.unit.sources.configured import CONFIGURED, SECRET

DESKS = f"{CONFIG.partition('[sources')[0]}[sources.zen]\nkind = 'zendesk'\nsecret_env = 'ZENDESK_SECRET'\n"


def sent(desk, folder, one, *more):
    """What `send` says of this source, as JSON."""
    arguments = ["send", one.name, "--url", desk.whole.origin, "--json", *more]
    if one.signing_key:
        key = folder / "key.pem"
        key.write_text(one.signing_key, "ascii")
        arguments += ["--signing-key", str(key)]
    return CliRunner().invoke(main, arguments, env=dict(desk.whole.environment))


@pytest.mark.parametrize("one", CONFIGURED, ids=[one.name for one in CONFIGURED])
def test_a_sample_of_every_kind_is_taken(desk, tmp_path, one):
    """The receiver verifies and reads what `send` signs; the same event id again is counted once."""
    place = ["--ticket-id", f"77{CONFIGURED.index(one)}", "--event-id", f"sent-{one.name}"]
    result = sent(desk, tmp_path, one, *place)
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)["answer"]
    [told] = answer.get("results", [answer])
    assert told["status"] == ("ignored" if one.name == "acquire" else "accepted")


def test_a_kind_is_named_where_there_is_one_source_of_it(redis_url, tmp_path):
    """`send zendesk` finds the only source of that kind; several are listed, none leads to the page."""
    variables = environment(tmp_path, redis_url, config=DESKS, ZENDESK_SECRET=SECRET)
    for name, status, word in (
        ("zendesk", 1, "nobody answers"),
        ("front", 2, "docs/helpdesks/front.md"),
        ("zendesc", 2, "zendesk"),
    ):
        result = CliRunner().invoke(main, ["send", name, "--url", "http://127.0.0.1:9"], env=variables)
        assert (result.exit_code, word in result.stderr) == (status, True), result.stderr
    twice = DESKS + DESKS.partition("[sources.zen]")[2].join(["[sources.other]", ""])
    variables = environment(tmp_path, redis_url, config=twice, ZENDESK_SECRET=SECRET)
    result = CliRunner().invoke(main, ["send", "zendesk"], env=variables)
    assert result.exit_code == 2
    assert "zen, other" in result.stderr


def test_what_is_printed_is_what_explain_takes(tmp_path):
    """`--print` sends nothing: its output is a request that `explain` verifies."""
    variables = {"THE_SECRET": SECRET, "REOPENER_DATA_DIR": str(tmp_path)}
    known = ["--secret-env", "THE_SECRET", "--set", "variant=rule"]
    printed = CliRunner().invoke(main, ["send", "front", "--print", *known], env=variables)
    assert printed.exit_code == 0, printed.output
    path = tmp_path / "request.json"
    path.write_text(printed.stdout, "utf-8")
    told = CliRunner().invoke(
        main, ["explain", "--kind", "front", *known, "--json", str(path)], env=variables
    )
    line = json.loads(told.stdout)
    assert (line["verified"], line["events"][0]["decision"]) == (True, "accept")
