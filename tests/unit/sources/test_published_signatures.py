from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from service.sources import KINDS, Rejected
from tests.unit.sources.deliveries import NOW, request_of, signature_cases, source_of

CASES = signature_cases()


def delivery(kind, case):
    source = source_of(
        kind,
        case["secret"],
        tolerance_seconds=case.get("tolerance_seconds", 300),
        **case.get("options", {}),
    )
    request = request_of(case["body"].encode(), case["headers"], method=case["method"], url=case["url"])
    now = datetime.fromtimestamp(case["now"], UTC) if case["now"] is not None else NOW
    return source, request, now


@pytest.mark.parametrize(("kind", "case"), CASES, ids=[f"{kind}-{case['name']}" for kind, case in CASES])
def test_a_published_signature_gives_its_published_verdict(kind, case):
    """What a vendor or its libraries publish as valid passes at its time, and what they refuse is refused."""
    source, request, now = delivery(kind, case)
    if case["valid"]:
        KINDS[kind].verify(request, source, now)
    else:
        with pytest.raises(Rejected) as refused:
            KINDS[kind].verify(request, source, now)
        assert case["secret"] not in refused.value.hint


VALID = [(kind, case) for kind, case in CASES if case["valid"]]


@pytest.mark.parametrize(("kind", "case"), VALID, ids=[f"{kind}-{case['name']}" for kind, case in VALID])
def test_a_valid_signature_is_for_its_body_and_its_secret_only(kind, case):
    """One byte more in the body, or another secret, and a published valid signature is refused."""
    source, request, now = delivery(kind, case)
    with pytest.raises(Rejected):
        KINDS[kind].verify(replace(request, body=request.body + b"!"), source, now)
    if not case["secret"].startswith(("whpk_", "-----BEGIN")):
        other = source_of(kind, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", **case.get("options", {}))
        with pytest.raises(Rejected) as refused:
            KINDS[kind].verify(request, other, now)
        assert refused.value.slug == "signature_mismatch"


@pytest.mark.parametrize(("kind", "case"), VALID, ids=[f"{kind}-{case['name']}" for kind, case in VALID])
def test_while_rotating_either_of_two_secrets_will_do(kind, case):
    """A source with two secrets accepts what either of them signed, in whichever order they stand."""
    source, request, now = delivery(kind, case)
    other = source_of(kind, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3").secrets
    if case["secret"].startswith("-----BEGIN"):
        other = source.secrets
    KINDS[kind].verify(request, replace(source, secrets=(*other, *source.secrets)), now)
    KINDS[kind].verify(request, replace(source, secrets=(*source.secrets, *other)), now)
