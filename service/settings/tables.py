"""Reading TOML tables value by value: each fault is noted under its key, and the reading goes on.

Values of the file are not repeated in faults, since people put secrets where names belong.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

ChoiceT = TypeVar("ChoiceT", bound=str)


class Table:
    """One TOML table. Each reader answers the value, or the default where it is absent or at fault."""

    def __init__(self, path: str, values: Mapping[str, object], faults: list[str]) -> None:
        self.path = path
        self._values = values
        self._faults = faults
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def raw(self, key: str) -> object:
        """Answer the value as TOML gives it, None where it is absent, and count the key as known."""
        self._asked.add(key)
        return self._values.get(key)

    def text(self, key: str, default: str) -> str:
        value = self.raw(key)
        if isinstance(value, str):
            return value
        if value is not None:
            self.fault(key, f"must be a string, not {type_name(value)}")
        return default

    def boolean(self, key: str, *, default: bool) -> bool:
        value = self.raw(key)
        if isinstance(value, bool):
            return value
        if value is not None:
            self.fault(key, f"must be true or false, not {type_name(value)}")
        return default

    def choice(self, key: str, default: ChoiceT, choices: tuple[ChoiceT, ...]) -> ChoiceT:
        value = self.raw(key)
        for choice in choices:
            if value == choice:
                return choice
        if value is not None:
            quoted = " or ".join(f'"{choice}"' for choice in choices)
            self.fault(key, f"must be {quoted}{nearest(value, choices)}")
        return default

    def number(
        self,
        key: str,
        default: float,
        *,
        at_least: float | None = None,
        above: float | None = None,
        at_most: float,
    ) -> float:
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(key, f"must be a number, not {type_name(value)}")
            return default
        if (
            not math.isfinite(value)
            or value > at_most
            or (at_least is not None and value < at_least)
            or (above is not None and value <= above)
        ):
            lower = f"at least {at_least}" if at_least is not None else f"above {above}"
            self.fault(key, f"must be {lower} and at most {at_most}, not {value}")
            return default
        return value

    def integer(self, key: str, default: int, *, at_least: int, at_most: int) -> int:
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self.fault(key, f"must be a whole number, not {type_name(value)}")
            return default
        if not at_least <= value <= at_most:
            self.fault(key, f"must be from {at_least} to {at_most}, not {value}")
            return default
        return value

    def table(self, key: str) -> Table:
        """Answer the table under `key`, an empty one where it is absent or at fault."""
        value = self.raw(key)
        path = self.name(key)
        if isinstance(value, dict):
            return Table(path, value, self._faults)
        if value is not None:
            self.fault(key, f"must be a table, [{path}], not {type_name(value)}")
        return Table(path, {}, self._faults)

    def refuse_unknown(self, known: Iterable[str] = ()) -> None:
        """Note a fault for every key that nothing has asked for; `known` are names to suggest besides."""
        names = sorted({*self._asked, *known})
        for key in self._values:
            if key not in self._asked:
                self.fault(key, f"unknown key{nearest(key, names)}")

    def add_faults(self, faults: Iterable[str]) -> None:
        """Note faults that somebody else found in this table, each beginning with its key."""
        self._faults.extend(self.name(fault) for fault in faults)

    def noting(self, faults: list[str]) -> Table:
        """Answer the same table, with its faults noted elsewhere."""
        same = Table(self.path, self._values, faults)
        same._asked = self._asked
        return same

    def name(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def fault(self, key: str, message: str) -> None:
        self._faults.append(f"{self.name(key)}: {message}")


def nearest(value: object, names: Iterable[str]) -> str:
    """Answer `; did you mean "..."?` for the known name that is most like `value`, else nothing."""
    found = difflib.get_close_matches(str(value).lower(), list(names), n=1)
    return f'; did you mean "{found[0]}"?' if found else ""


def type_name(value: object) -> str:
    """Say the type of a TOML value in TOML's own words."""
    if value is None:
        return "nothing"
    for kinds, name in _TYPE_NAMES:
        if isinstance(value, kinds):
            return name
    return "a date or time"


_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),  # before int, which bool is a kind of
    (int, "a whole number"),
    (float, "a fraction"),
    (str, "a string"),
    (list, "a list"),
    (dict, "a table"),
)
