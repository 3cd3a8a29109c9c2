"""Acquire's API over HTTP.

client    one per process; a session of it is one job's view of Acquire
compose   what is asked for: URLs, parameters, bodies
wire      one exchange: bounded in time and size, timed, and sure about what left
classify  an exchange to an outcome, or to why a read failed (rule 9 of docs/protocol.md)
parse     what Acquire shows, read defensively
"""

from __future__ import annotations

from workers.acquire.client import AcquireClient, AcquireSession

__all__ = ["AcquireClient", "AcquireSession"]
