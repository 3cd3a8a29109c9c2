"""The archive's trees against one sorted list, on a real Redis."""

from __future__ import annotations

import random
from bisect import bisect_left

import pytest
import redis

from service.domain.reopens import reopen_id
from service.ledger.scripts import shared

LEAF_MEMBERS = 128
COMPACT = {b"listpack", b"ziplist"}


@pytest.fixture
def server(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


@pytest.fixture
def call(server: redis.Redis):
    """Call one of the tree's functions."""
    body = """
    local act, name = ARGV[1], 'names'
    if act == 'add' then return tree_add(name, { unpack(ARGV, 2) }) end
    if act == 'remove' then return tree_remove(name, { unpack(ARGV, 2) }) end
    local range = act == 'up' and tree_range or tree_range_down
    return range(name, ARGV[2], ARGV[3], tonumber(ARGV[4]))
    """
    loaded = server.register_script(f"{shared('tree')}\n{body}")
    return lambda *args: loaded(args=args)


def test_a_place_says_position_and_id_and_sorts_by_position(server: redis.Redis):
    """An id comes back from its place as it was, in few bytes where it is ours; places sort as positions."""
    body = """
    local place = place_of(ARGV[1], ARGV[2])
    local position, id = placed(place)
    local found = { place_in('x\0' .. place), place_in(ARGV[2] .. '\0' .. short(ARGV[1])) }
    return { place, text(position), id, unpack(found) }
    """
    loaded = server.register_script(f"{shared('archive')}\n{body}")
    ours = ["a" * 24, "7" * 24, "a2z7" * 6, *(reopen_id("support", f"event-{n}") for n in range(200))]
    others = [
        "id-0001",
        "x",
        "A" * 24,
        "a" * 23,
        "a" * 15,
        "bench0000000000000000019",
        "\N{SNOWMAN}" * 6,
    ]
    rng, places = random.Random(7), []
    for each in ours + others:
        position = rng.choice([rng.randrange(10**12), rng.randrange(1_000)])
        place, told, back, *found = loaded(args=[position, each])
        assert (told, back.decode()) == (b"%d" % position, each)
        assert found == [place, place]
        assert len(place) == 5 + (15 if each in ours else max(16, len(each.encode())))
        places.append((position, place))
    assert [place for _, place in sorted(places)] == sorted(place for _, place in places)


@pytest.mark.parametrize("grows_at_its_end", [False, True])
def test_a_tree_answers_as_one_sorted_set(server: redis.Redis, call, grows_at_its_end: bool):
    """Whatever was added and removed, ranges are those of one sorted list, and leaves stay compact."""
    rng, model = random.Random(7), []
    for number in range(500):
        if model and rng.random() < 0.2:
            gone = [model.pop(rng.randrange(len(model))) for _ in range(min(len(model), rng.randrange(1, 4)))]
            call("remove", *gone, b"unknown")
            assert not any(server.keys(b"*" + each + b"*") for each in gone)
        else:
            first = 8 * number if grows_at_its_end else rng.randrange(10**6)
            together = [b"%09d" % (first + more) for more in range(rng.choice((1, 8)))]
            call("add", *together)
            for member in sorted(set(together) - set(model)):
                model.insert(bisect_left(model, member), member)
        if number % 100 == 0:
            low, most = b"%09d" % rng.randrange(10**6), rng.randrange(1, 300)
            at = bisect_left(model, low)
            assert call("up", b"[" + low, "+", most) == model[at : at + most]
            assert call("down", b"(" + low, "-", most) == model[:at][::-1][:most]
    low, high = model[len(model) // 4], model[len(model) // 2]
    within = [member for member in model if low <= member < high]
    assert call("up", b"[" + low, b"(" + high, 9_999) == within
    assert call("down", b"(" + high, b"[" + low, 9_999) == within[::-1]
    assert int(server.hget("reopener:sizes", "names")) == len(model)
    leaves = server.keys("reopener:leaf:names:*")
    assert all(server.object("encoding", leaf) in COMPACT for leaf in leaves)
    least = len(model) / LEAF_MEMBERS
    assert least <= len(leaves) <= 4 * least
    for member in model:
        call("remove", member)
    assert not server.keys("reopener:*names*")
    assert not server.hexists("reopener:sizes", "names")
