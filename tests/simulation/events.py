"""What comes to the door, and what strikes."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.ledger.admission import Admission, Admitted


@dataclass(slots=True, eq=False)
class Event:
    """One event as its helpdesk knows it. `answers` are what the door said to its deliveries."""

    admission: Admission
    answers: list[Admitted] = field(default_factory=list)
    first_asked_ms: int = -1
    first_answered_ms: int = -1

    @property
    def id(self) -> str:
        return self.answers[0].reopen_id if self.answers else self.admission.reopen_id


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that struck, and at which step."""

    step: int
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} at step {self.step} ({self.kind})"
