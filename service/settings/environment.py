"""Reading the process environment variable by variable; an empty variable counts as not set."""

from __future__ import annotations

import re
from collections.abc import Mapping


class Environment:
    """The variables of one process. Each reader answers None, or the default, after noting a fault."""

    def __init__(self, variables: Mapping[str, str], faults: list[str]) -> None:
        self._variables = variables
        self._faults = faults

    def is_empty(self, name: str) -> bool:
        """Say whether the variable is there with nothing in it."""
        return self._variables.get(name) == ""

    def text(self, name: str) -> str | None:
        return self._variables.get(name) or None

    def integer(self, name: str, default: int, *, at_least: int, at_most: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        # int() alone would also take signs, spaces, underscores and other scripts' digits.
        if re.fullmatch(r"[0-9]{1,9}", text) and at_least <= int(text) <= at_most:
            return int(text)
        self.fault(name, f"must be a whole number from {at_least} to {at_most}")
        return default

    def switch(self, name: str, default: bool = False) -> bool:  # noqa: FBT001, FBT002 - as the other readers
        text = self.text(name)
        if text not in {None, "0", "1"}:
            self.fault(name, "must be 1 or 0")
        return default if text is None else text == "1"

    def noting(self, faults: list[str]) -> Environment:
        """Answer the same environment, with its faults noted elsewhere."""
        return Environment(self._variables, faults)

    def fault(self, name: str, message: str) -> None:
        self._faults.append(f"{name}: {message}")
