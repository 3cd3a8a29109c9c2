"""Slugs as sentences: what each reason means, and what a person can do about it."""

from __future__ import annotations

REASONS = {
    "contact_unknown": "The payload names no contact of Acquire. Resolve it, or link its ticket.",
    "thread_unknown": "The payload names no thread of Acquire. Resolve it, or link its ticket.",
    "contact_ambiguous": "Several contacts in Acquire have this address. Choose one and resolve it.",
    "thread_not_found": "Acquire knows no case of this thread. Resolve it with the right one.",
    "author_unknown": "It does not say who wrote this. Resolve it if the customer did, or map the author.",
    "drift": "The helpdesk's payload no longer has a field it promised. See the path; map it or tell us.",
    "event_id_blank": "The event has no id, so repeats cannot be told apart. Resolve it if it is new.",
    "maybe_duplicate": "The same body came before, long ago. Resolve it if the customer wrote it again.",
    "outcome_unknown": "A call's answer was lost. Nothing is sent until Acquire shows what came of the call.",
    "acted_elsewhere": "Acquire acted on another thread or case. Look at the ids; only run-again goes on.",
    "effect_unreadable": "Something new shows in Acquire without its text. Look whether it is this reply.",
    "poison": "It ended its worker five times in a row. Look at the worker's log before you resolve it.",
    "refused": "Acquire refuses it for good. Mend what it says, then retry: a retry looks first.",
    "attempts_exhausted": "It was tried as often as the settings allow. Retry it when Acquire is well.",
    "too_old": "It was tried for as long as the settings allow. Retry it when Acquire is well.",
    "unsteady": "The case kept opening and closing. It is tried again.",
    "case_not_active": "The case is pending or queued in Acquire. It is waited for, at no cost.",
    "account_blocked": "Nothing may be sent for this account just now. It goes on by itself.",
    "throttled": "Acquire asked everybody to wait. It goes on by itself.",
    "credentials_refused": "Acquire refuses the API key. Set a key that works; all goes on by itself.",
    "quarantined": "Redis started anew and may have forgotten calls. Sending waits until they would show.",
    "worker_leaves": "Its worker was asked to stop, and handed it back. Another goes on with it at once.",
    "retry_budget": "Retries have used up their share of the calls just now. It goes on by itself.",
    "paused": "A person paused the work. Resume it when it may go on.",
    "read_failed": "Acquire could not be read, so nothing was concluded or sent. It is tried again.",
    "read_lags": "Acquire does not show yet what is known to exist. It is looked at again.",
    "not_sent": "The call never left: name lookup, connecting or TLS failed. It is tried again, freely.",
    "secret_mismatch": "The secret is another than this source's.",
    "header_malformed": "The signature's header cannot be read: another scheme, or a proxy altered it.",
    "query_missing": "The address lacks the parameter that carries the secret.",
    "key_unavailable": "The helpdesk's public key could not be had just now.",
    "breaker_open": "Acquire fails too often just now, so it is left alone for a while.",
    "case_open": "The case is open, and appending is switched off.",
    "nothing_to_append": "The case is open, and the event carries no words of the customer to append.",
    "event_type": "Events of this type do not tell of a customer's reply.",
    "agent_reply": "An agent wrote this, not the customer.",
    "system_message": "The helpdesk itself or a bot wrote this, not the customer.",
    "private_note": "This is an internal note, not a public reply.",
    "ticket_not_closed": "The ticket is still open in the helpdesk, so it goes on there.",
    "set_up_ping": "The helpdesk only tested whether the address answers.",
    "signature_mismatch": "The signature does not fit the body: wrong secret, or a proxy altered the body.",
    "timestamp_too_old": "It was signed too long ago: a replay, or one of the clocks is wrong.",
    "timestamp_in_future": "It was signed in the future: one of the clocks is wrong.",
    "header_missing": "The header that carries the signature is missing, or a proxy stripped it.",
    "not_json": "The body is no JSON.",
    "not_object": "The body is no JSON object.",
    "not_one_event": "The body must hold one event.",
    "body_too_large": "The body is over 1 MiB.",
    "content_type": "The content type is none that this source sends.",
    "no_such_source": "There is no source at that address.",
}
STATUSES = {
    "held": "waits for a person",
    "queued": "waits for a worker",
    "running": "a worker is at it",
    "retrying": "tried without effect, due again",
    "checking": "an answer was lost; looking what came of it",
    "reopened": "a new case carries the reply",
    "appended": "a message in an open case carries the reply",
    "skipped": "there was nothing to do in Acquire",
    "dead": "given up; a person can retry it",
    "cancelled": "a person called it off",
    "accepted": "stored and queued",
    "duplicate": "this event was known already; it counts once",
    "ignored": "authentic, and nothing to do",
    "rejected": "refused: not authentic, or unreadable",
}


def says(slug: str | None) -> str:
    """The sentence for a reason or status, "" where the slug speaks for itself."""
    if not slug:
        return ""
    return REASONS.get(slug.partition(":")[0]) or STATUSES.get(slug, "")
