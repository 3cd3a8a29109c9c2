"""What the ledger holds at the end of a history, read past its scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.ledger import codec, thread_codec
from tests.simulation.lua import as_text

if TYPE_CHECKING:
    from service.domain.reopens import Reopen
    from service.domain.threads import Thread
    from tests.simulation.cluster import Cluster


def records_of(cluster: Cluster) -> dict[str, Reopen]:
    """The records, with the words that their events came with: done ones have dropped them."""
    said = {event.id: event.admission.text for event in cluster.events}
    records = [
        {name: as_text(value) for name, value in fields.items()}
        for fields in cluster.server.under("reopener:r:").values()
        if "id" in fields
    ]
    records += [
        codec.archived_fields(key.removeprefix("reopener:d:"), kept.encode("latin-1"))
        for key, kept in cluster.server.under("reopener:d:").items()
    ]
    return {fields["id"]: codec.reopen_from(_with_words(fields, said)) for fields in records}


def _with_words(fields: dict[str, str], said: dict[str, str | None]) -> dict[str, str]:
    if not fields.get("text_dropped"):
        return fields
    return {**fields, "text": said.get(fields["id"]) or said.get(fields.get("again_of", "")) or ""}


def threads_of(cluster: Cluster) -> list[Thread]:
    return [
        thread_codec.thread_from(int(key.removeprefix("reopener:t:")), fields, 0)[0]
        for key, fields in cluster.server.under("reopener:t:").items()
        if "doc" in fields
    ]
