"""JSON made short for Redis: deflated against what ours always says, and written as bytes, or as text where
it travels in JSON itself.

A hash keeps its compact form while no value in it is longer than 64 bytes, and takes some 80 bytes more for
each field from then on: so what a hash holds packed is cut into pieces, fields `name`, `name1`, `name2`, ...
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from service.json_text import compact

PIECE_CHARACTERS = 64
MOST_PIECES = 100
"""Well below the 512 fields beyond which a hash leaves its compact form; a longer text is one field."""
MARK = "~"
"""Begins what is packed with `DICTIONARY`; plain JSON begins with a brace."""

DICTIONARY = (
    b'"error":"the worker went away""outcome":"interrupted""outcome":"not_sent""outcome":"unknown"'
    b'"outcome":"refused""outcome":"skipped""outcome":"adopted""duplicates":[["acted_late""intents":[{'
    b'"reopen_id":"","attempt":1,"kind":"append","kind":"create","seen":["view":"thread","view":"messages",'
    b'"token":"rx-","words":"","at_ms":1"ends_by_ms":1,"case_id":"empty_looks":1,"state":"absent""detail":"",'
    b'"again_of":"","again_reason":"","email":"","text":"","spent":"1","sent":"1","text_dropped":"True",'
    b'"claims":[["message:","contact_id":5,"session_id":"","last_made":1,"claims":[["message:1","case:1","",1,1]],'
    b'"contacts":[5],"cases":[[0,"pending",null,0],[0,"closed",-1000,0],[1,"active",null,0,"",1]],"at":1795'
    b'"append","read_messages","read_contact_cases",["dns",["tls",["pool",["connect",{"text_dropped":"True",'
    b'"attempts":[{"number":1,"started_ms":1,"ended_ms":1,"outcome":"appended","http_status":200,"calls":[{'
    b'"name":"read_case","started_ms":1,"duration_ms":10,"http_status":200,"timings_ms":[["connect",1],'
    b'["first_byte",10]]},{"name":"read_cases","started_ms":1,"duration_ms":10,"http_status":200,"timings_ms":'
    b'[["first_byte",20]]},{"name":"reopen","started_ms":1,"duration_ms":20,"http_status":200,"timings_ms":'
    b'[["first_byte",20]]}]}]},"outcome":"reopened","http_status":200,"calls":[{"name":"read_case","started_ms":'
)
"""What is packed can only be read with these very bytes: a better dictionary gets a mark of its own."""


def packed_bytes(value: object) -> bytes:
    return MARK.encode() + _deflated(value)


def packed_text(value: object) -> str:
    return MARK + b64encode(_deflated(value)).decode().rstrip("=")


def unpacked(kept: str | bytes) -> Any:
    """What was packed, or what plain JSON says."""
    if kept[:1] not in {MARK, MARK.encode()}:
        return json.loads(kept)
    raw = kept[1:]
    inflate = zlib.decompressobj(-15, DICTIONARY)
    told = inflate.decompress(raw if isinstance(raw, bytes) else b64decode(f"{raw}=="))
    return json.loads(told.decode("utf-8", "surrogatepass"))


def _deflated(value: object) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    raw = compact(value, halves="surrogatepass")
    return deflate.compress(raw) + deflate.flush()


def in_pieces(name: str, text: str) -> list[str]:
    """Fields and values in turn under which a hash holds a text."""
    if len(text) > PIECE_CHARACTERS * MOST_PIECES:
        return [name, text]
    pieces = [text[start : start + PIECE_CHARACTERS] for start in range(0, len(text), PIECE_CHARACTERS)]
    return [part for place, piece in enumerate(pieces) for part in (f"{name}{place or ''}", piece)]


def from_pieces(name: str, fields: Mapping[str, str]) -> str:
    """The text that a hash holds in pieces, "" where it holds none."""
    text, place = fields.get(name, ""), 1
    while (piece := fields.get(f"{name}{place}")) is not None:
        text += piece
        place += 1
    return text
