"""The files of docs/ops against a running service: what they name exists, and every alert has its runbook."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator

import promql_parser as promql
import pytest
import yaml

from service.clock import SystemClock
from service.intake.spool import SpoolState
from service.metrics import SpoolMetrics
from tests.running import ROOT, Whole, until
from tests.system.scraped import scraped, value

OPS = ROOT / "docs" / "ops"
SEVERITIES = {"warning", "critical"}
OF_GRAFANA = {"$__rate_interval": "5m"}

Labels = dict[str, set[str]]


def rules() -> list[dict]:
    told = yaml.safe_load((OPS / "reopener.rules.yml").read_text("utf-8"))
    return [rule for group in told["groups"] for rule in group["rules"]]


def panels() -> list[dict]:
    return json.loads((OPS / "dashboard.json").read_text("utf-8"))["panels"]


def expressions() -> Iterator[tuple[str, str]]:
    """Where it stands, and the PromQL."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            text = target["expr"]
            for variable, stands_for in OF_GRAFANA.items():
                text = text.replace(variable, stands_for)
            yield f"panel {panel['title']}", text


def test_every_metric_and_label_exists(whole: Whole):
    """Every metric that a rule or a panel names is in a real answer, with its labels and their values."""
    known = known_series(whole)
    faults = []
    for where, text in expressions():
        root = promql.parse(text)  # raises where it is no PromQL
        own: Labels = defaultdict(set)
        for selector in selectors(root):
            if selector.name not in known:
                faults.append(f"{where}: there is no {selector.name}")
                continue
            own.update(known[selector.name])
            for matcher in selector.matchers.matchers:
                missing = set(matcher.value.split("|")) - known[selector.name].get(matcher.name, set())
                if missing:
                    faults.append(f"{where}: {selector.name} has no {matcher.name} {sorted(missing)}")
        faults += [f"{where}: groups by {label}, which is no label" for label in grouping(root) - set(own)]
    assert faults == []


def test_every_metric_is_explained_or_shown(whole: Whole):
    """Whatever is measured of the account is used by a rule or seen on the dashboard."""
    used = {selector.name for _, text in expressions() for selector in selectors(promql.parse(text))}
    bare = {
        re.sub("_(bucket|sum|count|created)$", "", name) for name in known_series(whole) if "reopener" in name
    }
    unused = {name for name in bare if not any(each.startswith(name) for each in used)}
    assert unused == {"reopener_build_info", "reopener_read_lag_seconds"}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_has_its_runbook(rule: dict):
    """A section of its name says what it means, what to do, and where it is seen."""
    sections = (OPS / "README.md").read_text("utf-8").split("\n### ")
    (section,) = [each for each in sections if each.startswith(f"{rule['alert']}\n")]
    assert "Page:" in section
    assert rule["annotations"]["runbook_url"].endswith(f"#{rule['alert'].lower()}")
    assert rule["annotations"]["summary"]
    assert rule["labels"]["severity"] in SEVERITIES


def test_every_runbook_section_has_its_alert():
    """No section is about an alert that is gone."""
    named = re.findall(r"^### (\w+)$", (OPS / "README.md").read_text("utf-8"), re.MULTILINE)
    assert named == [rule["alert"] for rule in rules()]


def test_the_dashboard_can_be_imported():
    """Panels have ids of their own, do not overlap, say what they show, and ask for the data source."""
    told = json.loads((OPS / "dashboard.json").read_text("utf-8"))
    assert [each["type"] for each in told["templating"]["list"]] == ["datasource"]
    cells: set[tuple[int, int]] = set()
    for panel in told["panels"]:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells, panel["title"]
        assert max(x for x, _ in own) < 24
        cells |= own
        assert panel["description"]
        assert panel["datasource"]["uid"] == "${prometheus}"
    assert len({panel["id"] for panel in told["panels"]}) == len(told["panels"])


def known_series(whole: Whole) -> dict[str, Labels]:
    """Name -> label -> values, after one of everything has happened that the files ask for by value."""
    whole.until(whole.deliver().json()["reopen_id"], "reopened")
    whole.deliver(event_id="forged", secret="second")
    whole.redis.config_set("maxmemory", "1")
    try:
        assert whole.deliver(event_id="full").status_code == 503
    finally:
        whole.redis.config_set("maxmemory", "0")
    until(lambda: value(whole, "attempts_total", outcome="reopened"))
    known: dict[str, Labels] = {}
    for name, labels in scraped(whole):
        of_name = known.setdefault(name, defaultdict(set))
        for label, told in labels:
            of_name[label].add(told)
    known["reopener_deliveries_total"]["source"].add("unknown")
    state = SpoolState(deliveries=1, oldest_ms=1, refused=0, bytes=1, limit_bytes=2)
    known |= {each.name: {} for each in SpoolMetrics(lambda: state, SystemClock()).collect()}
    return known


def selectors(root: promql.Expr) -> list[promql.VectorSelector]:
    return [node for node in nodes(root) if isinstance(node, promql.VectorSelector)]


def grouping(root: promql.Expr) -> set[str]:
    return {
        label
        for node in nodes(root)
        if isinstance(node, promql.AggregateExpr) and node.modifier is not None
        for label in node.modifier.labels
    }


def nodes(root: promql.Expr) -> Iterator[promql.Expr]:
    """The expression and all below it."""
    yield root
    below = [getattr(root, name, None) for name in ("lhs", "rhs", "expr", "vector_selector", "param")]
    for node in (*below, *getattr(root, "args", ())):
        if node is not None:
            yield from nodes(node)
