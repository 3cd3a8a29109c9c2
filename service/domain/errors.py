"""The error tree. Each error has a static slug that is metric label, API code and log field at once.

ReopenerError
├── LedgerUnavailable   ledger_unavailable   Redis is away, hangs, or did not confirm in time
│   ├── Overloaded      overloaded           more deliveries wait for Redis than are let wait
│   ├── NotConfirmed    not_confirmed        written, but not on as many replicas or disks as asked
│   └── NotAdmitted     not_admitted         Redis refuses this event, whatever becomes of others
├── NotJudged           key_unavailable      what tells whether a delivery is authentic could not be had
├── Fenced              lease_lost           somebody else holds the thread now: stop, decide nothing
├── Conflict            conflict             a verb that the status of the reopen forbids
├── NotFound            not_found
├── KeyReused           idempotency_key_reused   same Idempotency-Key, another body
└── ReadFailed          read_failed          Acquire could not be read: nothing may be concluded
    ├── AccountRefused  credentials_refused  Acquire refused the key (401, 403)
    └── NotAsked        not_asked            Acquire is left alone just now, and was not called
"""

from __future__ import annotations


class ReopenerError(Exception):
    """Base of all errors that this software raises on purpose."""

    slug = "error"


class LedgerUnavailable(ReopenerError):
    """Redis is away, hangs, or did not confirm in time: the write is not known to have happened."""

    slug = "ledger_unavailable"


class Overloaded(LedgerUnavailable):
    """More waits for Redis than is let wait: shed at once, and not written."""

    slug = "overloaded"


class NotConfirmed(LedgerUnavailable):
    """Redis has written it, but not confirmed in time that it came as far as `[redis]` asks: a failover or a
    power cut may forget it.
    """

    slug = "not_confirmed"


class NotAdmitted(LedgerUnavailable):
    """Redis refuses this one event (a key of another type in its way); nothing of it is stored."""

    slug = "not_admitted"


class NotJudged(ReopenerError):
    """Nobody can tell yet whether a delivery is authentic: a helpdesk's public keys are not here."""

    slug = "key_unavailable"


class Fenced(ReopenerError):
    """The lease is gone, or Redis started anew since it was taken. Whoever sees this decides nothing more."""

    slug = "lease_lost"


class Conflict(ReopenerError):
    """A person asked for something that the reopen's status forbids. The message says what is possible."""

    slug = "conflict"


class NotFound(ReopenerError):
    slug = "not_found"


class KeyReused(ReopenerError):
    """An Idempotency-Key came again with another body."""

    slug = "idempotency_key_reused"


class ReadFailed(ReopenerError):
    """Acquire could not be read, so nothing may be concluded about what it did.

    `http_status` is None where no answer came; `retry_after_seconds` where Acquire asked for a pause.
    `supported` is False where Acquire says that there is no such call for this account.
    """

    slug = "read_failed"

    def __init__(
        self,
        message: str,
        *,
        http_status: int | None = None,
        retry_after_seconds: float | None = None,
        supported: bool = True,
    ) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.retry_after_seconds = retry_after_seconds
        self.supported = supported


class AccountRefused(ReadFailed):
    """Acquire refused the key (401, 403): a matter of the account, never of one reopen."""

    slug = "credentials_refused"


class NotAsked(ReadFailed):
    """Acquire is left alone until `until_ms`, for the reason `why`: no call was made."""

    slug = "not_asked"

    def __init__(self, why: str, until_ms: int) -> None:
        super().__init__(f"Acquire is left alone: {why}", retry_after_seconds=0.0)
        self.why = why
        self.until_ms = until_ms
