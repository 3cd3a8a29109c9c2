"""One kind, several schemes: an option of the source's table says which, or a header of the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from service.sources.base import Options, Request, Scheme, Source
from service.sources.parts.options import NoOptions, choice_fault


@dataclass(frozen=True, slots=True)
class ByOption:
    """`schemes` by the value of `option`; the first one is used where the option is absent."""

    option: str
    schemes: Mapping[str, Scheme]

    @property
    def options(self) -> frozenset[str]:
        return frozenset({self.option}.union(*(scheme.options for scheme in self.schemes.values())))

    def option_faults(self, options: Options, /) -> list[str]:
        fault = choice_fault(options, self.option, tuple(self.schemes))
        if fault is not None:
            return [fault]
        scheme = self._chosen(options)
        idle = sorted(self.options & set(options) - scheme.options - {self.option})
        choices = " or ".join(f'"{name}"' for name, each in self.schemes.items() if each is not scheme)
        return [f"{name}: needs {self.option} = {choices}" for name in idle] + scheme.option_faults(options)

    def check_secret(self, secret: str, options: Options, /) -> str | None:
        return self._chosen(options).check_secret(secret, options)

    def verify(self, request: Request, source: Source, now: datetime, /) -> None:
        self._chosen(source.options).verify(request, source, now)

    def sign(self, request: Request, source: Source, now: datetime, signing_key: str | None, /) -> Request:
        return self._chosen(source.options).sign(request, source, now, signing_key)

    def _chosen(self, options: Options) -> Scheme:
        return self.schemes.get(str(options.get(self.option)), next(iter(self.schemes.values())))


@dataclass(frozen=True, slots=True)
class ByHeader(NoOptions):
    """Two schemes at one address, each with secrets of its own: `having` where the request has the header.

    The header chooses only by which of the two a request is measured: leaving it away helps nobody who has
    no signature of the other scheme.
    """

    header: str
    having: Scheme
    lacking: Scheme

    def check_secret(self, secret: str, options: Options, /) -> str | None:
        return self.having.check_secret(secret, options)

    def verify(self, request: Request, source: Source, now: datetime, /) -> None:
        scheme = self.having if self.header in request.headers else self.lacking
        scheme.verify(request, source, now)

    def sign(self, request: Request, source: Source, now: datetime, signing_key: str | None, /) -> Request:
        return self.having.sign(request, source, now, signing_key)
