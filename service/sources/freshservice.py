"""`freshservice`: a workflow that calls this address when a requester replies; made like Freshdesk's rules.

Signature: none; basic auth or a custom header of the workflow, or a key in the URL.
Source: Freshservice's support pages on workflows. Which root its simple form has is not documented: both are
taken. Its retries are not documented either: Freshdesk's are assumed.
"""

from __future__ import annotations

from service.sources import freshdesk
from service.sources.kind import Kind
from service.sources.parts.freshworks import rule_reading, rule_sample
from service.sources.parts.shared_secret import SharedSecret

_ROOTS = ("freshservice_webhook", "freshdesk_webhook")

KIND = Kind(
    name="freshservice",
    scheme=SharedSecret(),
    reading=rule_reading(*_ROOTS),
    sample_body=lambda example: rule_sample(_ROOTS[0], example),
    retry_window_seconds=freshdesk.KIND.retry_window_seconds,
)
