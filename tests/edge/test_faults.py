"""Faults of ours: what nobody caught is answered all the same."""

from __future__ import annotations

import pytest

from service import views
from service.receiver import Receiver
from tests.edge.told import refused
from tests.running import Site


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("of the inside")


@pytest.mark.parametrize("call", [Site.deliver, lambda site: site.api("GET", "/api/stats")])
def test_a_fault_is_answered_so_that_it_is_sent_again(site: Site, monkeypatch: pytest.MonkeyPatch, call):
    """Helpdesks disable webhooks over a bare 500: a fault is 503, told like all errors, and tells no more."""
    monkeypatch.setattr(Receiver, "_take", broken)
    monkeypatch.setattr(views, "stats", broken)
    answer = call(site)
    assert refused(answer, 503) == "internal_fault"
    assert 0 < int(answer.headers["retry-after"]) < 60
    assert "inside" not in answer.text
    monkeypatch.undo()
    assert call(site).status_code == 200
