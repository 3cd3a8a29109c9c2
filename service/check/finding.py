"""A fault that `reopener check` tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: `code` is a slug for programs, `message` what is wrong, `mend` what to do about it."""

    severity: Literal["error", "warning"]
    code: str
    message: str
    mend: str
