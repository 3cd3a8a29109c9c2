"""The command line: what it prints, what it ends with, and that it does what the API does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.cli import main
from service.version import VERSION
from tests import running
from tests.running import ROOT, Site, process, reply

COMMANDS = (
    *("run", "serve", "work", "sandbox", "send", "explain", "check"),
    *("list", "show", "retry", "cancel", "bulk", "pause", "resume"),
)


def call(site: Site, *arguments: str, typed: str | None = None) -> Result:
    """`reopener ARGUMENTS` with the environment of the site."""
    result = CliRunner().invoke(main, arguments, env=dict(site.environment), input=typed)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def lines(result: Result) -> list[dict[str, object]]:
    """What `--json` printed: an object a line."""
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("program", [[sys.executable, "-m", "service"], [running.script("reopener")]])
def test_both_ways_of_calling_are_the_same(program):
    """The console script and `python -m service` are one command line, which tells its version."""
    told = subprocess.run([*program, "--version"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout == f"reopener, version {VERSION}\n"


@pytest.mark.parametrize("command", ["work", "sandbox"])
def test_a_strangers_package_in_the_working_folder_is_not_started(tmp_path: Path, command):
    """Where the working folder holds somebody's `workers`, the command starts ours."""
    (tmp_path / "workers.py").write_text("raise SystemExit(3)\n")
    told = subprocess.run(
        [running.script("reopener"), command, *(["--port", "no"] if command == "sandbox" else [])],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 2, told.stderr


def test_help_teaches_every_command():
    """Help lists every command of the contract, and each one's help has an example."""
    runner = CliRunner()
    overview = runner.invoke(main, ["--help"]).stdout
    for command in COMMANDS:
        assert f"\n  {command} " in overview, command
        if command != "sandbox":
            told = runner.invoke(main, [command, "--help"])
            assert told.exit_code == 0
            assert "Example" in told.stdout, command
    assert "Exit status" in overview


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["list", "--nothing"], ["show"], ["retry"], ["cancel"], ["work", "--concurrency", "0"]],
)
def test_wrong_usage_ends_with_2(site: Site, arguments):
    """What cannot be meant ends with 2, and says so on stderr."""
    result = call(site, *arguments)
    assert result.exit_code == 2
    assert result.stderr


def test_list_shows_what_the_api_lists(site: Site):
    """`list` tells reopens newest first, narrowed and searched as the API does; `--json` one a line."""
    ids = [site.deliver(reply(ticket_id=f"t-{n}"), event_id=f"msg_{n}").json()["reopen_id"] for n in range(3)]
    held = site.deliver(reply(contact_id=None), event_id="held").json()["reopen_id"]
    told = lines(call(site, "list", "--json"))
    assert told == site.api("GET", "/api/reopens").json()["reopens"]
    assert [each["id"] for each in told] == [held, *ids[::-1]]
    assert [each["id"] for each in lines(call(site, "list", "--status", "held", "--json"))] == [held]
    assert [each["id"] for each in lines(call(site, "list", "--q", "t-1", "--json"))] == [ids[1]]
    assert len(lines(call(site, "list", "--limit", "2", "--json"))) == 2
    assert len(lines(call(site, "list", "--limit", "2", "--all", "--json"))) == 4
    assert lines(call(site, "list", "--source", "second", "--json")) == []
    assert call(site, "list", "--status", "lost").exit_code == 2
    for each in (*ids, held):
        assert each in call(site, "list").stdout


def test_show_tells_one(site: Site):
    """`show` tells a reopen, for people and as JSON; one that nobody knows ends with 1."""
    reopen_id = site.deliver().json()["reopen_id"]
    assert lines(call(site, "show", reopen_id, "--json")) == [site.reopen(reopen_id)]
    told = call(site, "show", reopen_id)
    assert (told.exit_code, "queued" in told.stdout, "4711" in told.stdout) == (0, True, True)
    missing = call(site, "show", "nothing")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "nothing" in missing.stderr


def test_cancel_and_retry_do_each_and_tell_what_could_not_be_done(site: Site):
    """Several ids at once: what can be done is done and told, the rest named on stderr with status 1."""
    ids = [site.deliver(event_id=f"msg_{n}").json()["reopen_id"] for n in range(2)]
    done = call(site, "cancel", *ids, "--json")
    assert done.exit_code == 0
    assert [(each["id"], each["status"]) for each in lines(done)] == [(each, "cancelled") for each in ids]
    half = call(site, "cancel", ids[0], "nothing")
    assert half.exit_code == 1
    assert ids[0] in half.stderr
    assert "nothing" in half.stderr
    retried = call(site, "retry", ids[0])
    assert (retried.exit_code, "queued" in retried.stdout) == (0, True)
    assert call(site, "retry", ids[0]).exit_code == 1
    assert lines(call(site, "retry", "--status", "cancelled", "--yes", "--json")) == [{"count": 1}]
    assert site.stats()["by_status"]["queued"] == 2


def test_retrying_all_asks_first(site: Site):
    """Retrying all of a status asks with the count, and a no leaves everything as it was."""
    reopen_id = site.deliver().json()["reopen_id"]
    call(site, "cancel", reopen_id)
    refused = call(site, "retry", "--status", "cancelled", typed="n\n")
    assert refused.exit_code == 1
    assert "Retry 1 cancelled" in refused.stderr
    assert site.reopen(reopen_id)["status"] == "cancelled"
    assert call(site, "retry", "--status", "cancelled", typed="y\n").exit_code == 0
    assert site.reopen(reopen_id)["status"] == "queued"


def test_pause_and_resume(site: Site):
    """`pause` and `resume` are the API's switch."""
    assert lines(call(site, "pause", "--json")) == [{"paused": True}]
    assert site.stats()["paused"] is True
    assert call(site, "resume").exit_code == 0
    assert site.stats()["paused"] is False


def test_send_goes_through_the_front_door(site: Site):
    """`send` signs a sample of a source and posts it; the same event id again is counted once."""
    url = ("--url", site.origin)
    told = call(site, "send", "support", *url, "--event-id", "sent", "--message", "Hi", "--json")
    assert told.exit_code == 0
    [first] = lines(told)
    assert first["http_status"] == 200
    assert first["answer"]["status"] == "accepted"
    assert site.reopen(first["answer"]["reopen_id"])["event_id"] == "sent"
    again = call(site, "send", "support", *url, "--event-id", "sent")
    assert (again.exit_code, "duplicate" in again.stdout) == (0, True)
    for source in ("trigger", "hubspot", "second"):
        assert call(site, "send", source, *url).exit_code == 0


@pytest.mark.parametrize("arguments", [("check",), ("send", "demo")])
def test_a_data_folder_of_somebody_else_is_passed_over(redis_url, tmp_path: Path, arguments):
    """Beside a run of another user's, what it keeps is not read, and nothing falls over it."""
    variables = running.environment(tmp_path, redis_url, REOPENER_ADMIN_TOKEN="", REOPENER_SPOOL_MB="1")
    folder = Path(variables["REOPENER_DATA_DIR"])
    folder.mkdir(mode=0o000)
    as_nobody_special = ("setpriv", "--bounding-set=-all") if os.geteuid() == 0 else ()
    log = tmp_path / "log"
    command = ("-m", "service", *arguments)
    with process(*command, variables=variables, log=log, within=as_nobody_special) as tool:
        assert tool.wait(30) in {1, 2}
    assert "Traceback" not in log.read_text()
    assert {"check": f"{folder} cannot be written by this user", "send": "no source demo"}[
        arguments[0]
    ] in log.read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (("--url", "http://[::1"), 1, "nobody answers"),
        (("--signing-key", "key"), 2, "holds no private key"),
        (("--signing-key", "."), 2, "is a directory"),
        (("--message", "caf\udce9"), 2, "not UTF-8"),
        (("--event-id", "caf\udce9"), 2, "not UTF-8"),
    ],
)
def test_send_falls_over_no_argument(site: Site, tmp_path: Path, monkeypatch, arguments, status, word):
    """An address that is none, a key that cannot be read, and bytes that are no text, are told in a line."""
    monkeypatch.chdir(tmp_path)
    Path("key").write_bytes(b"\xff")
    told = call(site, "send", "support", *arguments)
    assert (told.exit_code, word in told.stderr) == (status, True), told.stderr


@pytest.mark.parametrize("text", ["sources = 1", "[sources]\nsupport = 1"])
def test_a_file_without_tables_of_sources_explains_nothing(site: Site, tmp_path: Path, text):
    """Where `--config` names a file whose sources are no tables, that is told in a line."""
    config, request = tmp_path / "new.toml", tmp_path / "request.json"
    config.write_text(text, "utf-8")
    request.write_text("{}", "utf-8")
    told = call(site, "explain", "support", "--config", str(config), str(request))
    assert (told.exit_code, "no [sources.support]" in told.stderr) == (2, True), told.stderr


def test_send_tells_what_went_wrong(site: Site):
    """An unknown source ends with 2 and the nearest name; a refusal, and nobody there, with 1."""
    unknown = call(site, "send", "suport", "--url", site.origin)
    assert unknown.exit_code == 2
    assert "support" in unknown.stderr
    nobody = call(site, "send", "support", "--url", "http://127.0.0.1:9")
    assert nobody.exit_code == 1
    assert "is the receiver running? --url or REOPENER_PORT tells where" in nobody.stderr
    unset = {name: value for name, value in site.environment.items() if name != "SUPPORT_SECRET"}
    no_secret = CliRunner().invoke(main, ["send", "support"], env={**unset, "SUPPORT_SECRET": ""})
    assert no_secret.exit_code == 2
    assert "set the variable that its secret_env names" in no_secret.stderr
    secret = {**site.environment, "SUPPORT_SECRET": "whsec_" + "QUJD" * 8}
    refused = CliRunner().invoke(main, ["send", "support", "--url", site.origin], env=secret)
    assert refused.exit_code == 1
    assert "401" in refused.stdout


@pytest.mark.parametrize("arguments", [("list",), ("pause",), ("export",)])
def test_where_redis_refuses_the_tools_say_so(site: Site, arguments):
    """A tool whose user in Redis may not do what it asks for ends with 1, and says so in a line."""
    site.redis.acl_setuser("nobody", enabled=True, nopass=True, commands=["-@all", "+@connection"])
    address = site.environment["REDIS_URL"].replace("unix://", "unix://nobody:any@")
    told = CliRunner().invoke(main, arguments, env={**site.environment, "REDIS_URL": address})
    site.redis.acl_deluser("nobody")
    assert told.exit_code == 1
    assert told.stderr.startswith("reopener: Redis refuses us: ")


def test_without_redis_the_tools_say_so(tmp_path):
    """A tool that finds no Redis ends with 2, and one whose Redis is away with 1."""
    environment = running.environment(tmp_path, "")
    nowhere = CliRunner().invoke(main, ["list"], env=environment)
    assert nowhere.exit_code == 2
    assert "REDIS_URL" in nowhere.stderr
    away = CliRunner().invoke(main, ["list"], env={**environment, "REDIS_URL": "redis://127.0.0.1:9"})
    assert away.exit_code == 1
    assert "Redis is away" in away.stderr


@pytest.mark.parametrize("command", ["serve", "work", "run"])
def test_all_faults_of_settings_are_told_at_once(tmp_path, command):
    """Faulty settings end with 2 before anything starts, all faults by name, no secret among the words."""
    faulty = {
        "PATH": os.environ["PATH"],
        "REOPENER_PORT": "many",
        "REOPENER_CONCURRENCY": "0",
        "REDIS_URL": "http://secret-in-url@example.test",
        "REOPENER_ADMIN_TOKEN": "short secret",
        "ACQUIRE_BASE_URL": "http://example.test",
        "ACQUIRE_API_KEY": "secret key with spaces",
        "PYTHONPATH": str(ROOT),
    }
    (tmp_path / "reopener.toml").write_text("[reopen]\nmax_atempts = 3\n[sources.x]\nkind = 'zendsk'\n")
    ended = subprocess.run(
        [sys.executable, "-m", "service", command],
        cwd=tmp_path,
        env=faulty,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    for name in ("REOPENER_PORT", "REOPENER_CONCURRENCY", "REDIS_URL", "ACQUIRE_BASE_URL", "ACQUIRE_API_KEY"):
        assert name in ended.stderr
    assert "max_attempts" in ended.stderr
    assert "zendesk" in ended.stderr
    assert "secret" not in ended.stderr.replace("secret_env", "")
    assert not (tmp_path / ".reopener").exists()
