"""`static`: whatever signs nothing: a secret in a header, basic auth or in the URL, and the contract's body.

No event id: the body's hash stands for it for a day, unless `[sources.NAME.map] event_id` finds one.
"""

from __future__ import annotations

from service.sources.kind import Kind, Reading
from service.sources.parts.contract_body import BODY, RULES, body_sample
from service.sources.parts.shared_secret import SharedSecret

KIND = Kind(
    name="static",
    scheme=SharedSecret(),
    reading=Reading((BODY,), RULES),
    sample_body=body_sample,
    retry_window_seconds=86_400,  # the sender is unknown: a day is what patient ones take
)
