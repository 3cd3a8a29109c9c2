"""The list of reopens: filters, search, export, and verbs for what was chosen or for all that match."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

from service import views
from service.dashboard import asked as asking
from service.dashboard.door import by
from service.dashboard.door import field as form_field
from service.dashboard.rendering import HEADERS, render
from service.domain.errors import Conflict
from service.domain.reopens import Status
from service.ledger.bulks import ALLOWED, Order
from service.logs import get_logger

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from service.clock import Clock
    from service.ledger import Ledger
    from service.ledger.bulks import Bulk, Verb
    from service.ledger.listing import Wanted

log = get_logger(__name__)

PAGE = 50
MOST_CHOSEN = 500
MOST_SHOWN = 5
SHOWN_MS = 3_600_000
LONGEST_FILL_SECONDS = 5.0
"""So long a page waits until all of many are taken up; beyond that it goes on behind the answer."""
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
    clock: Clock
    filling: set[asyncio.Task[Bulk]] = field(default_factory=set)

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
            bulks=await self._bulks(),
        )

    async def choose(self, request: Request) -> Response:
        """The dry run: how many would be touched, and a question for the reason."""
        verb, ids = _verb(request), _ids(request)
        order = Order(verb, by(request), ids)
        if ids:
            count, total = await self._able(ids, verb), len(ids)
            asked = asking.filters({})
        else:
            asked = asking.filters({name: form_field(request, name) for name in asking.NAMES})
            wanted = self._wanted(asked)
            order = replace(order, wanted=wanted)
            count, total = await self.ledger.bulks.count(order), await self.ledger.listing.count(wanted)
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
        asked = asking.filters({name: form_field(request, name) for name in asking.NAMES})
        order = Order(
            verb,
            by(request, form_field(request, "why")),
            ids,
            None if ids else self._wanted(asked),
            told(asked) if not ids else f"{len(ids)} chosen",
        )
        bulk = await self._begun(order)
        title, back = "Done" if bulk else "Under way", f"/reopens{asking.query(asked)}"
        return render(request, "acted.html", title=title, verb=verb, bulk=bulk, back=back)

    async def stop(self, request: Request) -> Response:
        bulk = await self.ledger.bulks.recall(form_field(request, "bulk"), by=by(request))
        words = f"{bulk.taken_back} that no worker had begun are as they were; what was done stays done."
        return render(request, "message.html", title="Stopped", message=words)

    async def _begun(self, order: Order) -> Bulk | None:
        """How far it is; None where it is still being listed, behind the answer."""
        bulk_id = await self.ledger.bulks.create(order)
        filling = asyncio.create_task(self.ledger.bulks.fill(bulk_id, order))
        self.filling.add(filling)
        filling.add_done_callback(self._filled)
        done, _ = await asyncio.wait([filling], timeout=LONGEST_FILL_SECONDS)
        return filling.result() if done else None

    def _filled(self, filling: asyncio.Task[Bulk]) -> None:
        self.filling.discard(filling)
        if not filling.cancelled() and (error := filling.exception()):
            log.warning("bulk.broken_off", error=str(error))

    async def _bulks(self) -> list[Bulk]:
        """Those that go on, and those that ended a while ago."""
        since_ms = self.clock.now_ms() - SHOWN_MS
        latest = await self.ledger.bulks.latest()
        return [each for each in latest if each.goes_on or (each.ended_ms or 0) > since_ms][:MOST_SHOWN]

    async def export_csv(self, request: Request) -> Response:
        wanted = self._wanted(asking.filters(request.query_params))
        return _download(self._csv(wanted), "reopens.csv", "text/csv; charset=utf-8")

    async def export_jsonl(self, request: Request) -> Response:
        wanted = self._wanted(asking.filters(request.query_params))
        return _download(self._json_lines(wanted), "reopens.jsonl", "application/x-ndjson")

    def _wanted(self, asked: dict[str, str]) -> Wanted:
        return asking.wanted(asked, self.clock.now_ms())

    async def _able(self, ids: tuple[str, ...], verb: Verb) -> int:
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


def _verb(request: Request) -> Verb:
    match form_field(request, "verb"):
        case "retry":
            return "retry"
        case "cancel":
            return "cancel"
        case _:
            raise Conflict(f"only {' and '.join(ALLOWED)} are done to many at once")


def _ids(request: Request) -> tuple[str, ...]:
    """The chosen ones; none where all that match are meant."""
    if form_field(request, "scope") == "all":
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
