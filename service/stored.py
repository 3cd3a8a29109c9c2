"""Deliveries that were kept: explained as their source is configured now, and under changed rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from service import views
from service.asking import Unclear, body_of, refuse_unknown
from service.domain.errors import NotFound
from service.explain import Explained, as_line, differences, read
from service.kept import unpacked
from service.ledger.requests import KEPT_PER_SOURCE, KeptRequest
from service.settings import SettingsError, changed_map
from service.sources import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from service.ledger import Ledger
    from service.settings import SourceSettings

NOT_KEPT = "the request of that delivery is not kept: [retention] raw_hours says how long authentic ones are"


class Stored:
    """The API's side: `GET /api/deliveries/{id}/explain` and `POST /api/sources/{source}/compare`."""

    def __init__(self, ledger: Ledger, sources: Mapping[str, SourceSettings]) -> None:
        self._ledger = ledger
        self._sources = sources

    async def explain(self, request: Request) -> Response:
        refuse_unknown(request.query_params, (), "parameter")
        # In the list of deliveries, each event of a delivery has its place behind the delivery's id.
        line = await explained_one(self._ledger, self._sources, request.path_params["id"].partition(".")[0])
        if line is None:
            raise NotFound(NOT_KEPT)
        return JSONResponse(line)

    async def compare(self, request: Request) -> Response:
        """What a changed map would make of the kept deliveries of a source."""
        source = self._sources.get(request.path_params["source"])
        if source is None:
            raise NotFound("there is no source of that name")
        told = await body_of(request, known=("map",))
        if not isinstance(told.get("map"), dict):
            raise Unclear('map must be an object: {"message": "data.text"}.', code="bad_map")
        try:
            changed = changed_map(source, told["map"])
        except SettingsError as error:
            raise Unclear("; ".join(error.faults) + ".", code="bad_map") from None
        return JSONResponse(await compared(self._ledger, source, changed))


async def explained_one(
    ledger: Ledger, sources: Mapping[str, SourceSettings], delivery_id: str
) -> dict[str, Any] | None:
    """What one delivery is, with the link of each event's ticket; None where its request is not kept."""
    kept = await ledger.requests.one(delivery_id)
    source = sources.get(kept.source) if kept is not None else None
    if kept is None or source is None:
        return None
    line = as_line(_read(source, kept))
    for event in line["events"]:
        link = await ledger.reads.link(source.name, event["ticket_id"] or "")
        event["link"] = (
            {"contact_id": link.contact_id, "thread_id": link.thread_id} if link is not None else None
        )
    return _named(kept) | line


async def explained(ledger: Ledger, source: SourceSettings) -> list[tuple[dict[str, Any], Explained]]:
    """All deliveries of a source that are kept, newest first, with what each is."""
    kept = await ledger.requests.newest(source.name, KEPT_PER_SOURCE)
    return [(_named(each), _read(source, each)) for each in kept]


async def compared(ledger: Ledger, before: SourceSettings, after: SourceSettings) -> dict[str, Any]:
    """What differs between two ways to configure a source, over all its deliveries that are kept.

    `{"compared", "differ", "decisions": {"accept -> hold": 3}, "deliveries": [...]}`, newest first; only
    those that differ are told.
    """
    kept = await ledger.requests.newest(before.name, KEPT_PER_SOURCE)
    told, decisions = [], dict[str, int]()
    for each in kept:
        found = differences(_read(before, each), _read(after, each))
        if found:
            told.append(_named(each) | {"differences": found})
        for one in found:
            if one["field"] == "decision":
                change = f"{one['before']} -> {one['after']}"
                decisions[change] = decisions.get(change, 0) + 1
    return {"compared": len(kept), "differ": len(told), "decisions": decisions, "deliveries": told}


def _read(source: SourceSettings, kept: KeptRequest) -> Explained:
    return read(KINDS[source.kind], source, unpacked(kept.content))


def _named(kept: KeptRequest) -> dict[str, Any]:
    return {
        "delivery_id": kept.delivery_id,
        "source": kept.source,
        "received_at": views.time(kept.received_ms),
    }
