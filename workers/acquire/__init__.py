"""Acquire's API over HTTP.

client       one per process; a session of it is one claim's view of Acquire
compose      what is asked for: URLs, parameters, bodies
wire         one exchange: bounded in time and size, timed, and sure about what left
connections  kept open, the one used last first; connection speaks HTTP on one of them
classify     an exchange to an outcome, or to why a read failed (rule 9 of docs/protocol.md)
parse        what Acquire shows, read defensively; values are the ids, times and words in it
retry_after  how long Acquire asks to wait
"""

from __future__ import annotations

from workers.acquire.client import AcquireClient, AcquireSession

__all__ = ["AcquireClient", "AcquireSession"]
