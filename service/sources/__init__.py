"""The helpdesks: how each signs, what it sends, and what that says.

`KINDS` names them all. A kind is one file of this folder and one row of `registry.py`; what kinds share is
in `parts`.
"""

from service.sources.base import CannotSign, Malformed, Rejected, Request, Scheme, Source
from service.sources.kind import Kind
from service.sources.registry import KINDS

__all__ = ["KINDS", "CannotSign", "Kind", "Malformed", "Rejected", "Request", "Scheme", "Source"]
