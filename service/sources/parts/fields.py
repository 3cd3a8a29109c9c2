"""Reading an event out of a payload, field by field, as a table of where each thing is.

    SHAPE = Shape(
        event_id=at("id"),
        type=at("type"),
        author=at("comment.author.is_staff", one_of({True: "agent", False: "customer"})),
        promised=("author",),
    )

Nothing here raises: a value that is absent or of another kind than expected reads as None.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Never, TypeAlias, TypeVar

from service.domain.events import Author, Event, Half
from service.sources.base import Request, Source
from service.sources.parts.conversions import Convert, html, plain, words

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(slots=True)  # as Event: never changed, and made for each delivery
class Payload:
    """One event's JSON object, with the request it came in and its place in a batch."""

    document: Mapping[str, object]
    request: Request
    source: Source
    place: int = 0


@dataclass(frozen=True, slots=True)
class Field(Generic[T_co]):
    """Where one field of the event is. `path` is what a person is told when it is missing.

    `present` says whether the payload has it at all, if only as null.
    """

    path: str
    read: Callable[[Payload], T_co | None]
    present: Callable[[Payload], bool]


NOWHERE: Field[Never] = Field("", lambda _: None, lambda _: True)
"""A field that a shape does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One form of payload: where each field of the event is.

    `marker` is a path that only this form has; a kind's last shape needs none. `promised` names the fields
    that a payload telling of a customer's reply always has; of the text, only its place is promised: it may
    be null (a reply of attachments only). `event_id` None: there is no id, the body's hash stands for it.
    `half` is set where a reply comes as two events without an id in common, of which this is one.
    """

    marker: str = ""
    event_id: Field[str] | None
    type: Field[str] = NOWHERE
    ticket_id: Field[str] = NOWHERE
    ticket_status: Field[str] = NOWHERE
    author: Field[Author] = NOWHERE
    is_public: Field[bool] = NOWHERE
    text: Field[str] = NOWHERE
    message_id: Field[str] = NOWHERE
    customer_email: Field[str] = NOWHERE
    customer_external_id: Field[str] = NOWHERE
    contact_id: Field[str] = NOWHERE
    thread_id: Field[str] = NOWHERE
    occurred_at: Field[datetime] = NOWHERE
    promised: tuple[str, ...] = ()
    half: Half | None = None

    def fits(self, document: Mapping[str, object]) -> bool:
        return not self.marker or pluck(document, split(self.marker)) is not None

    def read(self, payload: Payload, *, repeats_for_seconds: int) -> Event:
        """Answer the event; where it has no id, the hash of the body is one for `repeats_for_seconds`."""
        weak = self.event_id is None
        is_public = self.is_public.read(payload)
        return Event(
            event_id=body_hash(payload) if self.event_id is None else self.event_id.read(payload) or "",
            type=self.type.read(payload) or "",
            ticket_id=self.ticket_id.read(payload),
            ticket_status=self.ticket_status.read(payload),
            author=self.author.read(payload),
            is_public=is_public is not False,
            text=self.text.read(payload),
            message_id=self.message_id.read(payload),
            customer_email=self.customer_email.read(payload),
            customer_external_id=self.customer_external_id.read(payload),
            contact_id=self.contact_id.read(payload),
            thread_id=self.thread_id.read(payload),
            occurred_at=self.occurred_at.read(payload),
            weak_id_window_seconds=repeats_for_seconds if weak else None,
            half=self.half,
        )

    def missing(self, event: Event, payload: Payload) -> str | None:
        """Answer the path of the first promised field that neither the payload nor the source's map has."""
        for name in self.promised:
            field: Field[object] = getattr(self, name)
            key = "message" if name == "text" else name
            there = getattr(event, name) not in {None, ""}
            if name == "text":
                there = key in payload.source.map or field.present(payload)
            if not there:
                return f"map.{key}" if key in payload.source.map else field.path
        return None


def at(path: str, convert: Convert[T], *others: str) -> Field[T]:
    """The value at a dotted path, or at the first of `others` that has one. A number picks from a list."""
    ways = [split(each) for each in (path, *others)]

    def read(payload: Payload) -> T | None:
        for way in ways:
            value = pluck(payload.document, way)
            if value is not None:
                return convert(value)
        return None

    def present(payload: Payload) -> bool:
        return any(has(payload.document, way) for way in ways)

    return Field(path, read if others else _reading(ways[0], convert), present)


def _reading(way: Way, convert: Convert[T]) -> Callable[[Payload], T | None]:
    """How a field with a single way is read. Nearly all are one name or two, a dozen for each delivery, and
    two look-ups in a row take half of what the loop in `pluck` does.
    """
    match way:
        case (str(name),):

            def read(payload: Payload) -> T | None:
                value = payload.document.get(name)
                return None if value is None else convert(value)

        case (str(outer), str(name)):

            def read(payload: Payload) -> T | None:
                inner = payload.document.get(outer)
                value = inner.get(name) if type(inner) is dict else None
                return None if value is None else convert(value)

        case _:

            def read(payload: Payload) -> T | None:
                value = pluck(payload.document, way)
                return None if value is None else convert(value)

    return read


def header(name: str, *others: str) -> Field[str]:
    """The value of a request's header, or of the first of `others` that is there."""

    def read(payload: Payload) -> str | None:
        for each in (name, *others):
            if each in payload.request.headers:
                return words(payload.request.headers[each])
        return None

    def present(payload: Payload) -> bool:
        return any(each in payload.request.headers for each in (name, *others))

    return Field(f"header {name}", read, present)


def computed(path: str, read: Callable[[Payload], T | None]) -> Field[T]:
    """A value put together from several; `path` names the place that matters most."""
    return Field(path, read, lambda payload: read(payload) is not None)


def first_of(*fields: Field[T]) -> Field[T]:
    """The first of several fields that has something in it."""

    def read(payload: Payload) -> T | None:
        return next((value for field in fields if (value := field.read(payload)) is not None), None)

    return Field(fields[0].path, read, lambda payload: any(field.present(payload) for field in fields))


def written_by(author: Field[Author], *who: Author | None, field: Field[T]) -> Field[T]:
    """A field that is about the customer only where one of `who` wrote: else it is about somebody else."""

    def read(payload: Payload) -> T | None:
        return field.read(payload) if author.read(payload) in who else None

    return Field(field.path, read, field.present)


def text_by_type(path: str, type_path: str) -> Field[str]:
    """Text whose form, HTML or plain, stands at another path."""
    is_html = at(type_path, lambda value: isinstance(value, str) and "html" in value.lower())
    as_html, as_plain = at(path, html), at(path, plain)
    return Field(
        path,
        lambda payload: (as_html if is_html.read(payload) else as_plain).read(payload),
        as_plain.present,
    )


Way: TypeAlias = tuple[str | int, ...]


def split(path: str) -> Way:
    return tuple(int(step) if step.lstrip("-").isdigit() else step for step in path.split("."))


def pluck(document: object, way: Way) -> object | None:
    """Answer the value at the end of the way, None where it ends early."""
    for step in way:
        if type(document) is dict:
            document = document.get(step)
        elif type(document) is list and isinstance(step, int) and -len(document) <= step < len(document):
            document = document[step]
        else:
            return None
    return document


def has(document: object, way: Way) -> bool:
    """Whether the way's last step exists, be its value null."""
    parent = pluck(document, way[:-1])
    return isinstance(parent, dict) and way[-1] in parent


def body_hash(payload: Payload) -> str:
    """What stands for an event id: the body's hash, and the event's place where the body holds several."""
    digest = hashlib.sha256(payload.request.body).hexdigest()
    return f"sha256-{digest}.{payload.place}" if payload.place else f"sha256-{digest}"
