"""The list of reopens: filters, search, export, and verbs for what was chosen or for all that match."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

from service import views
from service.dashboard import asked as asking
from service.dashboard.bulk import ALLOWED, Bulk, Order
from service.dashboard.door import by, field
from service.dashboard.rendering import HEADERS, render
from service.domain.errors import Conflict
from service.domain.reopens import Status

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from service.clock import Clock
    from service.ledger import Ledger
    from service.ledger.listing import Wanted

PAGE = 50
MOST_CHOSEN = 500
COLUMNS = (
    "id",
    "source",
    "event_id",
    "ticket_id",
    "contact_id",
    "thread_id",
    "status",
    "reason",
    "new_case_id",
    "deliveries",
    "created_at",
    "updated_at",
    "next_attempt_at",
)


@dataclass(frozen=True, slots=True)
class ReopensPages:
    ledger: Ledger
    bulk: Bulk
    clock: Clock

    async def show(self, request: Request) -> Response:
        asked = asking.filters(request.query_params)
        cursor = asking.number_cursor(request.query_params.get("cursor", ""))
        records = await self.ledger.listing.page(self._wanted(asked), cursor=cursor, limit=PAGE)
        return render(
            request,
            "reopens.html",
            title="Reopens",
            asked=asked,
            is_filtered=any(asked.values()),
            statuses=[each.value for each in Status],
            sources=await self.ledger.reads.sources(),
            reopens=views.page(records)["reopens"],
            older=asking.query(asked, cursor=records.next_cursor) if records.next_cursor else None,
            query=asking.query(asked),
            running=await self.bulk.progress(),
        )

    async def choose(self, request: Request) -> Response:
        """The dry run: how many would be touched, and a question for the reason."""
        verb, ids = _verb(request), _ids(request)
        order = Order(verb, by(request), ids)
        if ids:
            count, total = await self._able(ids, verb), len(ids)
            asked = asking.filters({})
        else:
            asked = asking.filters({name: field(request, name) for name in asking.NAMES})
            wanted = self._wanted(asked)
            order = replace(order, wanted=wanted)
            count, total = await self.bulk.count(order), await self.ledger.listing.count(wanted)
        return render(
            request,
            "choose.html",
            title=f"{verb.capitalize()} {count} reopen{'s' * (count != 1)}?",
            verb=verb,
            ids=ids,
            asked=asked,
            count=count,
            total=total,
            allowed=[status.value for status in ALLOWED[verb]],
            back=f"/reopens{asking.query(asked)}",
            told=told(asked),
        )

    async def act(self, request: Request) -> Response:
        verb, ids = _verb(request), _ids(request)
        asked = asking.filters({name: field(request, name) for name in asking.NAMES})
        order = Order(
            verb,
            by(request, field(request, "why")),
            ids,
            None if ids else self._wanted(asked),
            told(asked) if not ids else f"{len(ids)} chosen",
        )
        done = await self.bulk.start(order)
        title, back = "Done" if done else "Under way", f"/reopens{asking.query(asked)}"
        return render(request, "acted.html", title=title, done=done, back=back)

    async def stop(self, request: Request) -> Response:
        await self.bulk.stop(by(request))
        words = "It stops after those it is at. What was done stays done; begin again to go on with the rest."
        return render(request, "message.html", title="Stopped", message=words)

    async def export_csv(self, request: Request) -> Response:
        wanted = self._wanted(asking.filters(request.query_params))
        return _download(self._csv(wanted), "reopens.csv", "text/csv; charset=utf-8")

    async def export_jsonl(self, request: Request) -> Response:
        wanted = self._wanted(asking.filters(request.query_params))
        return _download(self._json_lines(wanted), "reopens.jsonl", "application/x-ndjson")

    def _wanted(self, asked: dict[str, str]) -> Wanted:
        return asking.wanted(asked, self.clock.now_ms())

    async def _able(self, ids: tuple[str, ...], verb: str) -> int:
        records = await self.ledger.reads.reopens(list(ids))
        return sum(record is not None and record.status in ALLOWED[verb] for record in records)

    async def _csv(self, wanted: Wanted) -> AsyncIterator[str]:
        yield _csv_line(COLUMNS)
        async for record in self.ledger.listing.all(wanted):
            row = views.reopen(record)
            yield _csv_line(_harmless(row[column]) for column in COLUMNS)

    async def _json_lines(self, wanted: Wanted) -> AsyncIterator[str]:
        async for record in self.ledger.listing.all(wanted):
            yield json.dumps(views.reopen(record), ensure_ascii=False) + "\n"


def told(asked: dict[str, str]) -> str:
    """The filters in words, for people and the audit log."""
    parts = [f"{name} {value}" for name, value in asked.items() if value]
    return "all with " + ", ".join(parts) if parts else "all"


def _verb(request: Request) -> str:
    verb = field(request, "verb")
    if verb not in ALLOWED:
        raise Conflict(f"only {' and '.join(ALLOWED)} are done to many at once")
    return verb


def _ids(request: Request) -> tuple[str, ...]:
    """The chosen ones; none where all that match are meant."""
    if field(request, "scope") == "all":
        return ()
    ids = tuple(dict.fromkeys(request.state.form.get("id", [])))[:MOST_CHOSEN]
    if not ids:
        raise Conflict("nothing was chosen: tick some rows, or choose all that match")
    return ids


def _download(lines: AsyncIterator[str], name: str, media_type: str) -> Response:
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines, media_type=media_type, headers=headers)


def _csv_line(values: Any) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(["" if value is None else value for value in values])
    return line.getvalue()


def _harmless(value: object) -> object:
    """Text that a spreadsheet would take for a formula is marked as text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value
