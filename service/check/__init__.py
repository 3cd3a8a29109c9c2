"""`reopener check`: everything in settings, Redis, credentials and clock that would hurt in production."""

from service.check.finding import Finding
from service.check.probes import check

__all__ = ["Finding", "check"]
