"""Reading the keys of a source's table that only its kind knows, and saying what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

from service.sources.base import Options


class NoOptions:
    """A scheme with nothing to choose."""

    __slots__ = ()

    @property
    def options(self) -> frozenset[str]:
        return frozenset()

    def option_faults(self, _options: Options, /) -> list[str]:
        return []


def text_of(options: Options, name: str, default: str) -> str:
    value = options.get(name, default)
    return value if isinstance(value, str) else default


def words_of(options: Options, name: str) -> list[str]:
    value = options.get(name)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def text_fault(options: Options, name: str) -> str | None:
    value = options.get(name, "")
    return None if isinstance(value, str) else f"{name}: must be a string"


def words_fault(options: Options, name: str) -> str | None:
    value = options.get(name, [])
    if isinstance(value, list) and all(isinstance(each, str) and each for each in value):
        return None
    return f"{name}: must be a list of strings"


def choice_fault(options: Options, name: str, choices: Sequence[str]) -> str | None:
    if name not in options or options[name] in choices:
        return None
    return f"{name}: must be one of {', '.join(choices)}"
