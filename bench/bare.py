"""`python -m bench.bare URL COUNT THREADS`: the calls of so many reopens from threads, and nothing else."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx

CALLS = 3


def main() -> int:
    url, count, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(partial(_work, url), range(threads), [count // threads + 1] * threads):
            pass
    return 0


def _work(url: str, first: int, count: int) -> None:
    """One thread with a client of its own: httpx' pool of connections would cost more than the calls."""
    headers = {"Authorization": "Bearer bench"}
    with httpx.Client(base_url=f"{url}/api/v1/crm", headers=headers, timeout=30) as client:
        for number in range(count):
            thread = 1_000 + first * 1_000_000 + number
            client.get(f"/objects/case/{thread}", params={"relations": "contact"}).json()
            client.get("/objects/case", params={"where": f"parentId|eq|{thread}"}).json()
            message = {"type": "message", "message": "It broke again."}
            body = {"threadId": thread, "channel": "chat", "title": "", "message": message}
            client.post("/messenger/chat/create", params={"contactId": 5}, json=body).json()


if __name__ == "__main__":
    sys.exit(main())
