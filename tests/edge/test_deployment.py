"""Dockerfile, docker-compose.yml and the make targets name only what exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.settings import SettingsError, load
from service.sources import KINDS
from tests.running import served

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
INSTRUCTIONS = {"FROM", "ENV", "RUN", "COPY", "WORKDIR", "USER", "EXPOSE", "CMD"}
SECRETS = {
    "ACQUIRE_ACCOUNT_ID": "tests",
    "ACQUIRE_API_KEY": "a-key-for-tests-only-0123456789",
    "REOPENER_ADMIN_TOKEN": "a-token-for-tests-only-0123456789",
    "SUPPORT_WEBHOOK_SECRET": "whsec_dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",
}


def _instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def _all(name: str) -> list[str]:
    return [rest for instruction, rest in _instructions() if instruction == name]


def _module(command: list[str]) -> str:
    assert command[:2] == ["python", "-m"], command
    return command[2]


def test_dockerfile_uses_known_instructions_and_copies_what_exists():
    """Every instruction is known, and every file that is copied from the checkout is there."""
    assert {name for name, _ in _instructions()} <= INSTRUCTIONS
    copied = [shlex.split(rest) for rest in _all("COPY")]
    from_checkout = [parts[:-1] for parts in copied if not parts[0].startswith("--from")]
    assert from_checkout, "nothing is copied"
    for source in (name for parts in from_checkout for name in parts):
        assert (ROOT / source).exists(), source


def test_dockerignore_lets_through_what_is_copied():
    """What the Dockerfile copies is not shut out by .dockerignore."""
    let_through = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copied = [shlex.split(rest) for rest in _all("COPY") if not rest.startswith("--from")]
    assert {name for parts in copied for name in parts[:-1]} == let_through


def test_image_runs_as_nobody_special_on_pinned_bases():
    """The image's last user has no rights, and no base is a moving tag."""
    assert _all("USER")[-1] not in {"root", "0"}
    for base in (rest.split()[0] for rest in _all("FROM")):
        assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", base), base
    for service in SERVICES.values():
        image = service["image"]
        assert ":" in image
        assert not image.endswith(":latest")


def test_image_installs_with_hashes_only():
    """Everything installed in the image comes from the lock file by hash."""
    installs = [rest for rest in _all("RUN") if "install" in rest]
    assert installs
    assert all("--require-hashes" in rest and "requirements.lock" in rest for rest in installs)
    locked = (ROOT / "requirements.lock").read_text("utf-8")
    assert "--hash=sha256:" in locked
    assert not re.search(r"https?://", re.sub(r"(?m)^\s*#.*$", "", locked))


@pytest.mark.parametrize("name", sorted(OURS))
def test_commands_exist(name):
    """The command of each of our services is a module that answers --help."""
    command = OURS[name]["command"]
    answer = subprocess.run(
        [sys.executable, "-m", _module(command), *command[3:], "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert "Usage" in answer.stdout or "usage" in answer.stdout


def test_settings_of_the_stack_are_ones_we_read(tmp_path):
    """The variables of the compose file and its .env load without a fault, with the example file."""
    environment = OURS["workers"]["environment"] | SECRETS
    config = (ROOT / "reopener.example.toml").read_text("utf-8")
    (tmp_path / "reopener.toml").write_text(config, "utf-8")
    environment["REOPENER_CONFIG"] = str(tmp_path / "reopener.toml")
    environment = {key: str(value) for key, value in environment.items()}
    settings = load(environment, role="serve", cwd=tmp_path, kinds=KINDS)
    assert set(settings.sources) == {"support"}
    chosen = {"REOPENER_CONCURRENCY": "64"} | environment  # what the compose file says goes before the .env
    assert load(chosen, role="work", cwd=tmp_path, kinds=KINDS).concurrency == 64
    with pytest.raises(SettingsError, match="REDIS_URL"):
        load(environment | {"REDIS_URL": ""}, role="serve", cwd=tmp_path, kinds=KINDS)


def test_variables_are_named_in_readme():
    """Every variable of ours in the compose file and the Dockerfile stands in the README's table."""
    readme = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"\b(?:REOPENER|ACQUIRE)_[A-Z_]+\b", (ROOT / "Dockerfile").read_text("utf-8")))
    for service in OURS.values():
        named |= {key for key in service["environment"] if key.startswith(("REOPENER_", "ACQUIRE_"))}
    assert named
    assert not {name for name in named if f"`{name}`" not in readme}


def test_redis_forgets_nothing():
    """The Redis of the stack writes before it answers, evicts nothing and keeps its data in a volume."""
    command = SERVICES["redis"]["command"]
    told = dict(zip(command[1::2], command[2::2], strict=True))
    assert told["--appendonly"] == "yes"
    assert told["--appendfsync"] == "always"
    assert told["--maxmemory-policy"] == "noeviction"
    volume, folder = SERVICES["redis"]["volumes"][0].split(":")
    assert volume in COMPOSE["volumes"]
    assert folder == "/data"


def test_the_receiver_can_keep_deliveries_on_a_volume():
    """The receiver's data folder is a volume, which its user may write, so that a spool lasts."""
    receiver = OURS["receiver"]
    folder = receiver["environment"]["REOPENER_DATA_DIR"]
    assert f"receiver-data:{folder}" in receiver["volumes"]
    assert "receiver-data" in COMPOSE["volumes"]
    assert any(f"chown reopener {folder}" in rest for rest in _all("RUN"))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_services_are_confined_and_watched(name):
    """Each service has a health check, a read-only root, and no rights of its own."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert all("0.0.0.0" not in port and port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_proxy_of_the_machine_is_believed():
    """Docker's gateway, by which this machine's proxy comes in, tells whom it speaks for; others do not."""
    told = re.fullmatch(
        r"\$\{FORWARDED_ALLOW_IPS:-(.+)\}", OURS["receiver"]["environment"]["FORWARDED_ALLOW_IPS"]
    )
    app = ProxyHeadersMiddleware(lambda: None, told[1])
    assert "172.18.0.1" in app.trusted_hosts
    assert "203.0.113.7" not in app.trusted_hosts
    assert app.trusted_hosts.get_trusted_client_address("198.51.100.9, 203.0.113.7")[0] == "203.0.113.7"


def test_published_port_is_the_one_exposed():
    """The port that is published, probed, exposed and listened on by default is one and the same."""
    port = str(load(SECRETS | {"REDIS_URL": "redis://redis"}, role="serve", cwd=Path("/"), kinds=KINDS).port)
    assert _all("EXPOSE") == [port]
    assert OURS["receiver"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f":{port}'" in OURS["receiver"]["healthcheck"]["test"][-1]


@pytest.mark.parametrize(("status", "ended"), [(200, 0), (503, 1)])
def test_the_receivers_health_is_asked_of_itself(status, ended):
    """The receiver's health check follows /readyz, also where Docker hands its proxy to containers."""
    app = Starlette(routes=[Route("/readyz", lambda _: Response(status_code=status))])
    with served(app) as origin:
        command = OURS["receiver"]["healthcheck"]["test"][1:]
        told = command[-1].replace("127.0.0.1:8080", origin.removeprefix("http://"))
        environment = {"http_proxy": "http://127.0.0.1:1"}
        check = [sys.executable, *command[1:-1], told]
        assert subprocess.run(check, env=environment, timeout=30, check=False).returncode == ended


@pytest.mark.parametrize("name", sorted(OURS))
def test_health_checks_are_programs(name):
    """The Python of a health check compiles."""
    test = OURS[name]["healthcheck"]["test"]
    assert test[1:3] == ["python", "-c"]
    compile(test[3], name, "exec")


def test_make_help_names_every_target():
    """Each target a person may call is explained by `make help`."""
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    for target in phony[1].split():
        assert re.search(rf"^  {target}\s+\S", listed, re.MULTILINE), target
