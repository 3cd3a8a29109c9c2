"""What one would write first: an RQ job that looks and calls with httpx' own client, kept for the process."""

from __future__ import annotations

from functools import cache

import httpx


def reopen(acquire_url: str, thread: int) -> int:
    """One look (the thread's cases) and one call. Nothing is stored, nothing is made safe."""
    client = _client(acquire_url)
    page = client.get("/api/v1/crm/objects/case", params={"where": f"parentId|eq|{thread}"}).json()
    if page["data"]["data"]:
        return int(page["data"]["data"][-1]["id"])
    body = {
        "threadId": thread,
        "channel": "chat",
        "title": "",
        "message": {"type": "message", "message": "x"},
    }
    made = client.post("/api/v1/crm/messenger/chat/create", params={"contactId": 5}, json=body).json()
    return int(made["data"]["id"])


@cache
def _client(acquire_url: str) -> httpx.Client:
    return httpx.Client(
        base_url=acquire_url,
        headers={"Authorization": "Bearer bench"},
        timeout=10,
        limits=httpx.Limits(max_connections=64, max_keepalive_connections=64),
    )
