"""`/_sandbox`: what people and tests do to the sandbox, and what they see of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from workers.sandbox import shown
from workers.sandbox.faults import KINDS, BadFault, Faults
from workers.sandbox.http import Answer, Request, json_answer, now_ms
from workers.sandbox.shown import Manner
from workers.sandbox.world import Case, Refusal, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.sandbox.called import CallLog


class Control:
    """Answers below `/_sandbox/`; needs no key, since it is for whoever runs the sandbox."""

    def __init__(self, world: World, faults: Faults, log: CallLog, reset: Callable[[], None]) -> None:
        self._world = world
        self._faults = faults
        self._log = log
        self._reset = reset

    def answer(self, request: Request) -> Answer:
        try:
            return self._answered(request)
        except BadFault as bad:
            return _error(400, "bad_fault", str(bad))
        except Refusal as refusal:
            return _error(refusal.status, "not_found", refusal.message)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return _error(400, "bad_request", "The body must be JSON of the documented shape.")

    def _answered(self, request: Request) -> Answer:
        world, faults = self._world, self._faults
        match request.method, request.path.strip("/").split("/")[1:]:
            case "POST", ["faults"]:
                faults.set(json.loads(request.body))
                return json_answer({"faults": faults.told})
            case "GET", ["faults"]:
                return json_answer({"faults": faults.told, "kinds": KINDS})
            case "GET", ["cases"]:
                return json_answer({"cases": self._cases(request.first("thread_id"))})
            case "POST", ["cases", case_id, "close"]:
                return json_answer(self._case(world.close(int(case_id), now_ms())))
            case "POST", ["cases", case_id, "activate"]:
                return json_answer(self._case(world.set_status(int(case_id), "active")))
            case "POST", ["reset"]:
                self._reset()
                return json_answer({"status": "reset"})
            case "GET", ["calls"]:
                last = int(request.first("limit") or 1_000)
                calls = [asdict(called) for called in list(self._log.latest)[-last:]]
                return json_answer({"calls": calls, "counts": self._log.counts})
            case "GET", ["contacts"]:
                return json_answer({"contacts": [asdict(contact) for contact in world.contacts.values()]})
            case "POST", ["contacts"]:
                return json_answer(self._contact(json.loads(request.body)))
        return _error(404, "not_found", f"There is no {request.method} {request.path}.")

    def _contact(self, told: dict[str, Any]) -> dict[str, Any]:
        contact_id, email = int(told["id"]), told.get("email")
        if not isinstance(email, str | None):
            raise TypeError
        return asdict(self._world.set_email(contact_id, email))

    def _cases(self, thread_id: str | None) -> list[dict[str, Any]]:
        return [
            self._case(case)
            for case in self._world.cases.values()
            if thread_id is None or case.thread_id == int(thread_id)
        ]

    def _case(self, case: Case) -> dict[str, Any]:
        """The case with its messages as they were received, whatever reads show."""
        contact = self._world.contact(case.contact_id)
        said = [shown.message(message, case.thread_id, Manner()) for message in case.messages]
        return {**shown.case(case, contact, Manner()), "description": case.description, "messages": said}


def _error(status: int, code: str, message: str) -> Answer:
    return json_answer({"error": {"code": code, "message": message}}, status)
