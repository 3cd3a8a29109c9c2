"""What the ledger's scripts are put together of."""

from __future__ import annotations

import re
import tracemalloc
from collections import Counter
from importlib import resources

import pytest

from service.ledger.admission import packed_delivery
from service.ledger.scripts import NAMES, packed_apart, script, shared
from tests.edge.events import event

FOLDER = resources.files("service.ledger").joinpath("scripts")
PARTS = sorted(each.name.removesuffix(".lua") for each in FOLDER.joinpath("parts").iterdir())
STRING = re.compile(r"'(?:[^'\\]|\\.)*'")
OF_ALL = re.compile(r"^local (?:function )?(\w+(?:, \w+)*)", re.MULTILINE)
DECLARED = re.compile(r"(?:local|for) (?:function )?(\w+(?:, \w+)*)")
FUNCTION = re.compile(r"^local function (\w+)", re.MULTILINE)
PARAMETERS = re.compile(r"function *\w*\(([\w, ]*)\)")
NAME = re.compile(r"(?<![\w.:])[A-Za-z_]\w*")


def names(found: re.Pattern[str], code: str) -> set[str]:
    return {name for each in found.findall(code) for name in each.split(", ")}


def own(name: str) -> set[str]:
    return names(OF_ALL, FOLDER.joinpath("parts", f"{name}.lua").read_text("utf-8"))


OF_PARTS = {name for part in PARTS for name in own(part)}


@pytest.mark.parametrize("name", [*NAMES, *PARTS])
def test_what_a_script_uses_of_others_comes_before_it(name):
    """A name that a part gives is used only where a script, or another part, says that it needs that part."""
    code = STRING.sub("''", script(name) if name in NAMES else shared(name))
    known = names(DECLARED, code) | names(PARAMETERS, code)
    missing = {used for used in NAME.findall(code) if used in OF_PARTS and used not in known}
    assert not missing


@pytest.mark.parametrize("name", NAMES)
def test_a_script_needs_nothing_that_it_does_not_use(name):
    """A part that is named gives something that is used: what is loaded for nothing takes memory."""
    text = FOLDER.joinpath(f"{name}.lua").read_text("utf-8")
    named = re.search(r"(?m)^-- Needs: (.+)\.$", text)
    used = set(NAME.findall(re.sub(r"--.*", "", text)))
    assert all(own(part) & used for part in (named[1].split(", ") if named else ()))


@pytest.mark.parametrize("name", NAMES)
def test_a_script_has_no_function_that_it_does_not_use(name):
    """Functions of parts that nothing calls are left out: Redis makes each of them anew at every run."""
    used = Counter(NAME.findall(script(name)))
    assert [each for each in FUNCTION.findall(script(name)) if used[each] < 2] == []


def test_bytes_follow_the_json_that_names_their_places():
    """What JSON has no room for comes after it, once each, and in its place stands the how-manieth it is."""
    told, *apart = packed_apart([{"rest": b"\xff"}, {"rest": b"\0"}, {"rest": b"\xff"}, "\ud800"])
    assert told == b'[{"rest":1},{"rest":2},{"rest":1},"?"]'
    assert apart == [b"\xff", b"\0"]
    with pytest.raises(TypeError):
        packed_apart([object()])


def test_what_is_kept_of_a_delivery_takes_no_more_room_than_it_needs():
    """A receiver keeps what it told a script for seconds, thousands of deliveries: each holds what it says,
    and not the room it was written in.
    """
    told = [event("event-1", text="It broke again.")]
    tracemalloc.start()
    try:
        kept = [packed_delivery(told) for _ in range(1_000)]
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < sum(len(each) + 100 for each in kept)
