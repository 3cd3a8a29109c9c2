"""What can strike at a step: before it leaves, while it is under way, or after it took effect.

Each fault is told the task and its step, and answers whether it took the step into its own hands. Where a
fault can do what docs/protocol.md says nobody can rule out, it notes the cause with the reopen it struck;
where it gives a right to an end in a person's hands (a refusal, say), it notes that.
"""

from __future__ import annotations

from service.domain.outcomes import NotSent, Refused, Throttled, Unknown
from tests.simulation.engine import Step
from tests.simulation.faults_of_acquire import (
    acts_elsewhere,
    acts_late,
    acts_too_late,
    answers,
    key_refused,
    names_a_known_case,
    read_throttled,
    suspended_in_between,
)
from tests.simulation.faults_of_redis import (
    bells_flushed,
    clock_jumps_ahead,
    clock_jumps_back,
    redis_away,
    redis_forgets,
    redis_restarts,
    runs_again_later,
    runs_late,
    runs_twice,
)
from tests.simulation.faults_of_steps import (
    LAPSE_MS,
    LONG_MS,
    MINUTES_MS,
    SHORT_MS,
    Fault,
    killed_after,
    killed_before,
    killed_hearing,
    lost_after,
    lost_before,
    suspended,
    suspended_after,
)

ANY: dict[str, Fault] = {
    "killed before": killed_before,
    "killed after": killed_after,
    "killed hearing the answer": killed_hearing,
    "lost before": lost_before,
    "lost after": lost_after,
    "suspended for 5 s": suspended(SHORT_MS),
    "suspended for 60 s": suspended(LONG_MS),
    "suspended for 20 s after": suspended_after(LAPSE_MS),
    "suspended for 60 s after": suspended_after(LONG_MS),
    "Redis restarts": redis_restarts,
    "Redis is away": redis_away,
    "bells flushed": bells_flushed,
    "Redis' clock jumps ahead": clock_jumps_ahead,
    "Redis' clock jumps back": clock_jumps_back,
}
KILLS = {"killed before", "killed after", "killed hearing the answer"}
TO_REDIS: dict[str, Fault] = {
    **ANY,
    "runs twice": runs_twice,
    "runs late": runs_late,
    "runs again later": runs_again_later,
}
FORGETS: dict[str, Fault] = {"Redis forgets": redis_forgets}
TO_READ: dict[str, Fault] = {**ANY, "throttled": read_throttled, "key refused": key_refused}
TO_SEND: dict[str, Fault] = {
    **ANY,
    "not sent": answers(lambda: NotSent("cannot connect"), acts=False),
    "500 without acting": answers(lambda: Unknown("HTTP 500", 500), acts=False),
    "a proxy's 503 after acting": answers(lambda: Unknown("HTTP 503", 503), acts=True),
    "an unreadable 2xx": answers(lambda: Unknown("the answer is unreadable", 200), acts=True),
    "throttled": answers(lambda: Throttled(429, 3.0), acts=False),
    "key refused": key_refused,
    "refused for good": answers(lambda: Refused(422, "no"), acts=False, excuse="dead"),
    "acts within the settle time": acts_late,
    "acts after the settle time": acts_too_late,
    "suspended for 5 s before the write": suspended_in_between(SHORT_MS),
    "suspended for minutes before the write": suspended_in_between(MINUTES_MS),
    "acts on another thread": acts_elsewhere,
    "names a known case": names_a_known_case,
}


def faults_of(step: Step) -> dict[str, Fault]:
    match step.kind:
        case "read":
            return TO_READ
        case "send":
            return TO_SEND
        case _:
            return TO_REDIS
