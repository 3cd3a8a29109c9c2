"""`freshdesk`: an automation rule that calls this address when a requester replies.

Signature: none; basic auth or a custom header of the rule, or a key in the URL.
Source: Freshdesk's support pages on automation rules.
Delivery: retries after 5, 30 and 60 min, then mails. No event id: the body's hash stands for it that long.
Status: a label, after the reply. So Acquire's state decides.
"""

from __future__ import annotations

from service.sources.kind import Kind
from service.sources.parts.freshworks import rule_reading, rule_sample
from service.sources.parts.shared_secret import SharedSecret

_ROOT = "freshdesk_webhook"

KIND = Kind(
    name="freshdesk",
    scheme=SharedSecret(),
    reading=rule_reading(_ROOT),
    sample_body=lambda example: rule_sample(_ROOT, example),
    retry_window_seconds=(5 + 30 + 60 + 5) * 60,  # 5 min more for slow answers between
)
