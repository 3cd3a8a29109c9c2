"""What holds for every kind alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from service.domain.decide import Accept, Ignore, decide
from service.settings import load
from service.sources import KINDS, CannotSign, Rejected
from tests.unit.sources.configured import CONFIGURED, rsa_keys_of
from tests.unit.sources.deliveries import NOW, source_of


def each(*wanted):
    """Parametrize over configured sources that fulfil all of the named promises."""
    chosen = [one for one in CONFIGURED if all(getattr(one, name) for name in wanted)]
    return pytest.mark.parametrize("one", chosen, ids=[one.name for one in chosen])


REPLYING = [one for one in CONFIGURED if one.name != "acquire"]
each_replying = pytest.mark.parametrize("one", REPLYING, ids=[one.name for one in REPLYING])


def test_every_kind_is_tried_here():
    """No kind is registered without a configured source to try it with."""
    assert {one.source.kind for one in CONFIGURED} == set(KINDS)


@each_replying
def test_a_sample_is_authentic_and_asks_for_a_reopen(one):
    """A kind's own sample passes its verification, and is a customer's reply with ids and words."""
    request = one.sample(message="It broke <again> & again.", ticket_id="4712")
    one.kind.verify(request, one.source, NOW)
    [event] = one.kind.read(request, one.source)
    assert decide(event, one.kind.rules(one.source)) == Accept(contact_id=597752, thread_id=1683)
    assert (event.drift, event.ticket_id, event.author) == (None, "4712", "customer")
    if one.source.kind not in {"hubspot", "gladly"}:
        assert event.text == "It broke <again> & again."
    if event.occurred_at is not None:
        assert abs(event.occurred_at - NOW) < timedelta(seconds=1)


@each_replying
def test_samples_are_told_apart_by_their_event_id(one):
    """The same event id gives the same event, another one another event."""
    ids = []
    for event_id in ("evt_1", "evt_1", "evt_2"):
        [event] = one.kind.read(one.sample(event_id=event_id, ticket_id=event_id), one.source)
        ids.append((event.event_id, event.ticket_id))
    assert ids[0] == ids[1] != ids[2]


def test_acquires_own_events_ask_for_nothing():
    """What Acquire says of its cases is ignored, with its status read."""
    [acquire] = [one for one in CONFIGURED if one.name == "acquire"]
    [event] = acquire.kind.read(acquire.sample(), acquire.source)
    decision = decide(event, acquire.kind.rules(acquire.source))
    assert isinstance(decision, Ignore)
    assert (decision.reason, event.ticket_status) == ("case_status", "closed")


@each("proves_body")
def test_one_byte_more_is_refused(one):
    """Where the scheme covers the body, an altered one is refused."""
    request = one.sample()
    with pytest.raises(Rejected) as refused:
        one.kind.verify(replace(request, body=request.body[:-1] + b" }"), one.source, NOW)
    assert refused.value.slug == "signature_mismatch"


@each()
def test_nothing_passes_without_what_proves_it(one):
    """A delivery with no more than its content type is refused, and the hint says what is missing."""
    request = replace(one.sample(), headers={"content-type": "application/json"}, query={})
    with pytest.raises(Rejected) as refused:
        one.kind.verify(request, one.source, NOW)
    assert refused.value.slug in {"header_missing", "query_missing"}


@each("proves_time")
@pytest.mark.parametrize(("seconds", "slug"), [(301, "timestamp_too_old"), (-302, "timestamp_in_future")])
def test_what_is_too_old_or_from_the_future_is_refused(one, seconds, slug):
    """Where the scheme covers a time, a delivery outside the tolerance is refused."""
    life_seconds = 300 if one.name == "zoho-desk" and seconds > 0 else 0
    with pytest.raises(Rejected) as refused:
        one.kind.verify(one.sample(), one.source, NOW + timedelta(seconds=seconds + life_seconds))
    assert refused.value.slug == slug


@each("proves_time")
def test_the_tolerance_itself_still_passes(one):
    """Exactly as far off as allowed is allowed, in either direction."""
    for seconds in (300, -300):
        one.kind.verify(one.sample(), one.source, NOW + timedelta(seconds=seconds))


KEYED = [one for one in CONFIGURED if one.signing_key is None]


@pytest.mark.parametrize("one", KEYED, ids=[one.name for one in KEYED])
def test_another_secret_is_refused_and_two_at_once_will_do(one):
    """A stranger's secret is refused, either of two passes, and no hint repeats a secret."""
    request = one.sample()
    secret = one.source.secrets[0].reveal()
    for source in (one.with_secrets(one.other_secret, secret), one.with_secrets(secret, one.other_secret)):
        one.kind.verify(request, source, NOW)
    with pytest.raises(Rejected) as refused:
        one.kind.verify(request, one.with_secrets(one.other_secret), NOW)
    assert refused.value.slug in {"signature_mismatch", "secret_mismatch"}
    assert secret not in refused.value.hint
    assert one.other_secret not in refused.value.hint


@pytest.mark.parametrize("kind", ["freshchat", "zoho-desk"])
def test_a_private_key_is_needed_where_only_the_public_one_is_known(kind):
    """A sample of a kind whose sender signs with a private key says so instead of being unsigned."""
    [one] = [one for one in CONFIGURED if one.name == kind]
    for signing_key in (None, "no key", rsa_keys_of("the helpdesk")[1]):
        with pytest.raises(CannotSign):
            replace(one, signing_key=signing_key).sample()


@each()
def test_settings_take_each_source_as_it_is_written_in_toml(one, tmp_path):
    """The options and secrets of every configured source are free of faults for the settings too."""
    source = one.source
    lines = [f'kind = "{source.kind}"'] + [f'{name} = "{value}"' for name, value in source.options.items()]
    env = {}
    if source.secrets:
        lines.append('secret_env = "DESK_SECRET"')
        env["DESK_SECRET"] = source.secrets[0].reveal()
    lines += ["[sources.desk.map]"] + [f'{name} = "{value}"' for name, value in source.map.items()]
    (tmp_path / "reopener.toml").write_text("\n".join(["[sources.desk]", *lines]))
    assert load(env, role="tool", cwd=tmp_path).sources["desk"] == source


@each()
def test_an_unsigned_kind_has_no_place_for_a_forgotten_option(one):
    """A key of another kind is no option of this one."""
    assert "nonsense" not in one.kind.options
    assert set(one.source.options) <= set(one.kind.options)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_says_how_long_it_may_repeat(kind):
    """The retry schedule is there as data: weak ids live as long, and not for ever."""
    assert 60 <= KINDS[kind].retry_window_seconds <= 4 * 86_400


def test_only_zoho_needs_no_secret():
    """Whoever signs needs a secret of the user's; Zoho publishes its keys."""
    assert [name for name, kind in KINDS.items() if not kind.needs_secret] == ["zoho-desk"]
    assert KINDS["zoho-desk"].check_secret("x", source_of("zoho-desk", org_id="1", webhook_id="2").options)
