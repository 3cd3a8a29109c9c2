"""Whether an answer is what `/openapi.json` says: the little of JSON Schema that the document uses."""

from __future__ import annotations

from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def faults(value: Any, schema: dict[str, Any], schemas: dict[str, Any], at: str = "") -> list[str]:
    """What of `value` the schema does not allow, with the path of each."""
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
