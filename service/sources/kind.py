"""A kind of helpdesk: how it signs, what it sends, how long it repeats, put together as one value."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from service.domain.decide import Rules
from service.domain.events import Event
from service.sources.base import Malformed, Options, Request, Scheme, Source
from service.sources.parts.fields import Payload, Shape
from service.sources.parts.json_body import parse_json
from service.sources.parts.mapping import apply_map
from service.sources.parts.samples import Example, planted


@dataclass(frozen=True, slots=True)
class Reading:
    """The forms of payload a kind sends, the most particular first, and how its events are judged."""

    shapes: tuple[Shape, ...]
    rules: Rules


Challenge: TypeAlias = Callable[[Request, Source], Mapping[str, object] | None]

JSON_TYPES = frozenset({"application/json"})
MOST_EVENTS = 1000
"""In one body; HubSpot, the only one that says, sends 100. A megabyte of "{}," would take 11 s to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One helpdesk. Every field says what it is for where a kind sets it; see any file beside this one.

    `retry_window_seconds`: how long this helpdesk may repeat a delivery. `batches`: a body that is an array
    holds several events. `probes_with_empty_body`: such a body, or `[]`, is a set-up request. `challenges`
    answers a set-up request that wants an echo. `reading_for` is there where options change the reading.
    """

    name: str
    scheme: Scheme
    reading: Reading
    sample_body: Callable[[Example], object]
    sample_headers: Callable[[Example], Mapping[str, str]] = lambda _: {}
    retry_window_seconds: int
    content_types: frozenset[str] = JSON_TYPES
    batches: bool = False
    probes_with_empty_body: bool = False
    needs_secret: bool = True
    challenges: Challenge = lambda _request, _source: None
    reading_for: Callable[[Options], Reading] | None = None
    reading_options: frozenset[str] = frozenset()

    @property
    def options(self) -> frozenset[str]:
        """The keys of a source's table that only this kind knows."""
        return self.scheme.options | self.reading_options

    def option_faults(self, options: Options) -> list[str]:
        """Answer what is wrong with the options, each fault beginning with its key."""
        return self.scheme.option_faults(options)

    def check_secret(self, secret: str, options: Options) -> str | None:
        """Answer why the secret cannot be used, without repeating it, or None."""
        faults = self.option_faults(options)
        if faults:
            return f"cannot be judged before this is mended: {faults[0]}"
        return self.scheme.check_secret(secret, options)

    def verify(self, request: Request, source: Source, now: datetime) -> None:
        """Raise `Rejected`, and nothing else, unless the request is authentic."""
        self.scheme.verify(request, source, now)

    def challenge(self, request: Request, source: Source) -> Mapping[str, object] | None:
        """Answer what a verified set-up request wants to have echoed, None where it is none."""
        return self.challenges(request, source)

    def rules(self, source: Source) -> Rules:
        """Answer how this source's events are judged."""
        return self._reading(source).rules

    def read(self, request: Request, source: Source) -> list[Event]:
        """Answer the events of a verified request; none where it is an empty set-up request.

        Raises:
            Malformed: and nothing else.
        """
        if self.probes_with_empty_body and not request.body.strip():
            return []
        document = parse_json(request.body)
        documents = document if self.batches and isinstance(document, list) else [document]
        if len(documents) > MOST_EVENTS:
            raise Malformed("too_many_events", f"a body may hold {MOST_EVENTS} events")
        return [self._event(each, request, source, place) for place, each in enumerate(documents)]

    def _event(self, document: object, request: Request, source: Source, place: int) -> Event:
        if not isinstance(document, dict):
            raise Malformed("not_object", "an event must be a JSON object")
        reading = self._reading(source)
        payload = Payload(document, request, source, place)
        shape = reading.shapes[-1]
        for each in reading.shapes[:-1]:
            if each.fits(document):
                shape = each
                break
        event = shape.read(payload, repeats_for_seconds=self.retry_window_seconds)
        if source.map:
            event = apply_map(event, payload)
        if event.drift is None and reading.rules.may_tell_of_reply(event.type):
            missing = shape.missing(event, payload)
            event = replace(event, drift=missing) if missing is not None else event
        return event

    def _reading(self, source: Source) -> Reading:
        return self.reading if self.reading_for is None else self.reading_for(source.options)

    def sample(
        self,
        source: Source,
        *,
        url: str,
        now: datetime,
        event_id: str,
        ticket_id: str = "4711",
        contact_id: int | None = 597752,
        thread_id: int | None = 1683,
        message: str = "It broke again.",
        signing_key: str | None = None,
    ) -> Request:
        """Answer a realistic signed delivery of a customer's reply, as this helpdesk would send it to `url`.

        Ids of contact and thread stand where the kind has a place for them, or where a plain path of the
        source's map looks for them. `signing_key` is the private key where the source has the public one.

        Raises:
            CannotSign: the kind signs with a private key, and none was given.
        """
        example = Example(
            event_id=event_id,
            ticket_id=ticket_id,
            contact_id=contact_id,
            thread_id=thread_id,
            message=message,
            now=now,
            options=source.options,
        )
        body = planted(self.sample_body(example), source.map, example)
        request = Request(
            method="POST",
            url=url,
            headers={"content-type": "application/json", **self.sample_headers(example)},
            body=json.dumps(body, ensure_ascii=False).encode("utf-8"),
            query={},
        )
        return self.scheme.sign(request, source, now, signing_key)
