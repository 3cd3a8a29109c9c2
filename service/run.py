"""`reopener run`: everything in one process tree, for trying out and for a single machine.

Redis (unless REDIS_URL names one), the sandbox (unless there are Acquire credentials), the receiver and the
workers are children that are started again when they end, stopped in order, and die with this process
however it dies. What is made at the first start (admin token, demo source) is kept in the data folder.
"""

from __future__ import annotations

import secrets
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

from service import demo
from service.clock import Clock
from service.data_folder import keep, kept
from service.embedded import FolderBusy, FolderLock
from service.launch import PYTHON
from service.listening import bindable_port, port_to_listen_on, reachable
from service.settings import Settings
from service.stopping import on_stop
from service.supervise import CannotStart, Command, RedisChild, Supervisor

_READY_LIMIT_SECONDS = 60.0
_SAMPLE_LIMIT_SECONDS = 30.0
_STOP_MARGIN_SECONDS = 5.0  # on top of the longest call to Acquire
_POLL_SECONDS = 0.05
_FINAL_STATUSES = frozenset({"reopened", "appended", "skipped", "dead", "cancelled", "held"})


def run(settings: Settings, environ: Mapping[str, str], *, cwd: Path, clock: Clock) -> int:
    """Run everything until SIGINT, SIGTERM or SIGHUP, and answer the exit status.

    `settings` were loaded from `environ` and `cwd` for the role "run"; children are handed the same
    environment, with what was made here added. Must be called in the main thread.
    """
    stop = _StopSignals()
    try:
        lock = FolderLock(settings.data_dir)
    except FolderBusy as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(
            f"nothing can be kept in {settings.data_dir}: {error.strerror}; set REOPENER_DATA_DIR to a folder"
        )
    try:
        return _Run(settings, environ, cwd, clock, stop).main()
    except (CannotStart, OSError, httpx.HTTPError) as error:
        return _fail(str(error))
    finally:
        lock.release()


def _fail(message: str) -> int:
    print(f"reopener: {message}", file=sys.stderr, flush=True)
    return 1


class _StopSignals:
    """Whether a person or the system has asked us to stop."""

    def __init__(self) -> None:
        self.received = False
        on_stop(self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.received = True


class _Stopped(Exception):
    """We were asked to stop before everything was up."""


class _Run:
    """One run: its children, what they are told, and the order of starting and stopping."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], cwd: Path, clock: Clock, stop: _StopSignals
    ) -> None:
        self._settings = settings
        self._cwd = cwd
        self._clock = clock
        self._stop = stop
        self._data_dir = settings.data_dir.absolute()
        self._supervisor = Supervisor(clock)
        self._shown_percent = 0.0
        self._port = port_to_listen_on(settings.host, settings.port, clock)
        self._origin = f"http://{reachable(settings.host)}:{self._port}"
        self._env = dict(environ)
        self._http = httpx.Client(timeout=5, trust_env=False)  # a proxy has no business on this machine

    def main(self) -> int:
        try:
            self._start_everything()
            _say("Ctrl-C stops everything; what is stored stays.")
            self._wait_until(lambda: False)
        except _Stopped:
            _say("stopping; calls in flight finish first")
        finally:
            self._supervisor.stop()
            self._http.close()
        return 0

    def _start_everything(self) -> None:
        """Each child is told where those before it are; at the end, show that it works."""
        settings = self._settings
        admin_token = settings.admin_token.reveal() if settings.admin_token else self._kept_admin_token()
        on_sandbox = settings.acquire.api_key is None
        # A source of the user's that has its name is left alone.
        shows_demo = demo.SOURCE not in settings.sources and (on_sandbox or not settings.sources)
        demo_secret = self._configure_demo() if shows_demo else None
        self._env |= {
            "REOPENER_ADMIN_TOKEN": admin_token,
            "REOPENER_DATA_DIR": str(self._data_dir),
            "REOPENER_PORT": str(self._port),
        }
        if settings.redis_url is None:
            redis = RedisChild(self._data_dir, clock=self._clock, on_loading=self._show_loading)
            self._supervisor.start(redis)
            self._env["REDIS_URL"] = redis.url
        if on_sandbox:
            self._start_sandbox()
        self._start("receiver", "service", "serve")
        self._start("workers", "workers", "--concurrency", str(settings.concurrency))
        self._wait_for_answer("receiver", f"{self._origin}/readyz")
        _say(f"dashboard    {self._origin}/")
        _say(f"admin token  {admin_token}")
        if on_sandbox and demo_secret:
            self._show_sample(demo_secret, admin_token)
        elif shows_demo and not demo_secret:
            _say("sample       none: where sources = {...}, no further one can be put beside yours")

    def _kept_admin_token(self) -> str:
        return _kept(self._data_dir / "admin-token", lambda: secrets.token_urlsafe(32))

    def _configure_demo(self) -> str | None:
        """Add the demo source to a copy of the user's file that the children read; answer its secret.

        None where the file takes no further table, since it says `sources = {...}`.
        """
        users = self._cwd / (self._env.get("REOPENER_CONFIG") or "reopener.toml")
        text = f"{users.read_text('utf-8') if users.exists() else ''}\n{demo.TABLE}"
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            return None
        secret = _kept(self._data_dir / "demo-secret", demo.new_secret)
        config = self._data_dir / "with-demo-source.toml"
        config.write_text(text, "utf-8")
        self._env |= {"REOPENER_CONFIG": str(config), demo.SECRET_VARIABLE: secret}
        return secret

    def _start_sandbox(self) -> None:
        """On the port it had last time where that is free, so that what was noted of it stays true."""
        kept_port = self._data_dir / "sandbox-port"
        port = _same_port_or_any(int(_kept(kept_port, lambda: "0")))
        keep(kept_port, str(port))
        origin = f"http://127.0.0.1:{port}"
        self._env |= {
            "ACQUIRE_ACCOUNT_ID": "sandbox",
            "ACQUIRE_API_KEY": "sandbox",
            "ACQUIRE_BASE_URL": origin,
        }
        state = self._data_dir / "sandbox.json"
        self._start(
            "sandbox", "workers.sandbox", "--host", "127.0.0.1", "--port", str(port), "--state", str(state)
        )
        self._wait_for_answer("sandbox", f"{origin}/_sandbox/cases")

    def _start(self, name: str, module: str, *arguments: str) -> None:
        patience_seconds = self._settings.acquire.timeout_seconds + _STOP_MARGIN_SECONDS
        command = (*PYTHON, module, *arguments)
        self._supervisor.start(Command(name, command, dict(self._env), patience_seconds=patience_seconds))

    def _show_sample(self, secret: str, admin_token: str) -> None:
        """Send one reply through the front door, and tell what came of it."""
        sample = demo.reply(
            secret,
            event_id=f"demo-{secrets.token_hex(8)}",
            now=self._clock.now(),
            origin=self._origin,
        )
        answer = self._http.post(sample.url, content=sample.body, headers=sample.headers)
        if answer.status_code != httpx.codes.OK or "reopen_id" not in answer.json():
            raise CannotStart(f"the receiver answered the sample with {answer.status_code}: {answer.text}")
        reopen_id = answer.json()["reopen_id"]
        reopen: dict[str, Any] = {}

        def is_final() -> bool:
            nonlocal reopen
            seen = self._http.get(
                f"{self._origin}/api/reopens/{reopen_id}", headers={"authorization": f"Bearer {admin_token}"}
            )
            reopen = seen.json() if seen.status_code == httpx.codes.OK else {}
            return reopen.get("status") in _FINAL_STATUSES

        if self._wait_until(is_final, _SAMPLE_LIMIT_SECONDS):
            known = "; an earlier sample opened that case" if reopen["status"] == "appended" else ""
            _say(f"sample       {reopen['status']}, new case id {reopen['new_case_id']}{known}")
        else:
            _say(f"sample       still {reopen.get('status')}; see {self._origin}/reopens/{reopen_id}")
        _say(f"try it yourself, as often as you like:\n\n{demo.shell_command(secret, sample)}\n")

    def _wait_until(self, happened: Callable[[], bool], limit_seconds: float | None = None) -> bool:
        """Look after the children until it happened; False when the time is over. Raises _Stopped."""
        started_at = self._clock.monotonic()
        while not happened():
            if self._stop.received:
                raise _Stopped
            if limit_seconds is not None and self._clock.monotonic() - started_at > limit_seconds:
                return False
            self._supervisor.look()
            time.sleep(_POLL_SECONDS)
        return True

    def _wait_for_answer(self, name: str, url: str) -> None:
        """Wait until a child that was just started answers. Raises CannotStart when it ends instead."""
        said = "it does not answer"

        def answers() -> bool:
            nonlocal said
            for ended, status in self._supervisor.ended():
                where = f"in {self._data_dir}/redis/redis.log" if ended == RedisChild.name else "above"
                raise CannotStart(
                    f"the {ended} ended with status {status} before all was ready; why is said {where}"
                )
            try:
                answer = self._http.get(url)
            except httpx.TransportError:
                return False
            said = f"it answers {answer.status_code}: {answer.text}"
            return answer.status_code == httpx.codes.OK

        if not self._wait_until(answers, _READY_LIMIT_SECONDS):
            raise CannotStart(
                f"the {name} was not ready at {url} within {_READY_LIMIT_SECONDS:.0f} s; {said}"
            )

    def _show_loading(self, percent: float) -> None:
        if self._stop.received:
            raise _Stopped
        if percent >= self._shown_percent + 10:
            self._shown_percent = percent
            _say(f"Redis reads what is stored: {percent:.0f} %")


def _say(line: str) -> None:
    print(line, flush=True)


def _kept(path: Path, make: Callable[[], str]) -> str:
    """What the file holds, made at the first call."""
    text = kept(path)
    if text is None:
        text = make()
        keep(path, text)
    return text


def _same_port_or_any(port: int) -> int:
    try:
        return bindable_port("127.0.0.1", port)
    except OSError:
        return bindable_port("127.0.0.1", 0)
