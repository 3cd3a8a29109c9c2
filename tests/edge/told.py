"""What answers of the API tell: errors in the contract's form, and all else as `/openapi.json` says it."""

from __future__ import annotations

from typing import Any

import httpx

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def refused(answer: httpx.Response, status: int) -> str:
    """The code of an error answer of this status, which has the contract's form."""
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert set(told) == {"error"}
    assert set(told["error"]) == {"code", "message"}
    assert len(told["error"]["message"]) > 20, "it must say what to mend"
    return told["error"]["code"]


def faults(value: Any, schema: dict[str, Any], schemas: dict[str, Any], at: str = "") -> list[str]:
    """What of `value` the schema does not allow, with the path of each: the little of JSON Schema that the
    document uses.
    """
    if "$ref" in schema:
        return faults(value, schemas[schema["$ref"].rpartition("/")[2]], schemas, at)
    for word in ("anyOf", "oneOf"):
        if word in schema and all(faults(value, each, schemas, at) for each in schema[word]):
            return [f"{at}: none of {word} fits"]
    if (fault := _fault(value, schema)) is not None:
        return [f"{at}: {value!r} {fault}"]
    if isinstance(value, list):
        return [each for n, item in enumerate(value) for each in _of(item, schema, schemas, f"{at}[{n}]")]
    if not isinstance(value, dict):
        return []
    told = [f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value]
    others = schema.get("additionalProperties", True)
    for name, inner in value.items():
        below = schema.get("properties", {}).get(name, {} if others is True else others)
        told += (
            [f"{at}.{name} is not told"] if below is False else faults(inner, below, schemas, f"{at}.{name}")
        )
    return told


def _fault(value: Any, schema: dict[str, Any]) -> str | None:
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return f"is no {kinds}"
    if value not in schema.get("enum", [value]):
        return f"is none of {schema['enum']}"
    if value != schema.get("const", value):
        return f"is not {schema['const']!r}"
    if isinstance(value, int | float) and value < schema.get("minimum", value):
        return "is too small"
    return None


def _of(item: Any, schema: dict[str, Any], schemas: dict[str, Any], at: str) -> list[str]:
    return faults(item, schema.get("items", {}), schemas, at)


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
