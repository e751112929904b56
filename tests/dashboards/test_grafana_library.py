"""The dashboards, checked by Grafana's own library: every id exists there, and the tables have the right columns."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.tools import tool
from tools.dashboards.__main__ import CHART, FILES

LABELS = {"company": "Co", "org": "Co-Org", "folder": "Sales", "agent": "a01", "reason": "auth", "instance": "x:1"}

pytestmark = pytest.mark.release


def run(library: Path, script: str, given: Any = None) -> Any:
    """Run a script next to the library, with `given` as JSON on its standard input; return its output."""
    node = tool("node", "nodejs")
    done = subprocess.run(  # noqa: S603 # our own scripts
        [node, script], cwd=library, input=json.dumps(given).encode(), stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout)


def panels() -> list[Any]:
    return [panel for name in FILES for panel in json.loads((CHART / name).read_text("utf-8"))["panels"]]


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every scalar value with the keys that lead to it."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, path)
    else:
        yield path, value


def used_ids() -> dict[str, set[str]]:
    """Return the ids that the dashboards use, by kind."""
    overrides = [
        override for panel in panels() if "fieldConfig" in panel for override in panel["fieldConfig"]["overrides"]
    ]
    properties = [each for override in overrides for each in override["properties"]]
    scalars = list(leaves(panels()))
    return {
        "units": {value for path, value in scalars if path[-1] == "unit"}
        | {each["value"] for each in properties if each["id"] == "unit"},
        "reducers": {value for path, value in scalars if path[-1] == "calcs"},
        "matchers": {override["matcher"]["id"] for override in overrides},
        "colours": {value for path, value in scalars if path[-2:] == ("color", "mode")},
        "transformations": {value for path, value in scalars if path[-2:] == ("transformations", "id")},
    }


def test_grafana_knows_every_id(library: Path) -> None:
    known = run(library, "registries.mjs")
    assert {kind: ids - set(known[kind]) for kind, ids in used_ids().items()} == {kind: set() for kind in used_ids()}
    assert all(used_ids().values())


def frames(targets: list[Any], labels: list[str], values: list[float]) -> list[Any]:
    """Return the frames that Grafana's data source makes of table queries with one row each."""
    return [
        {
            "refId": target["refId"],
            "fields": [
                {"name": "Time", "type": "time", "values": [1]},
                *({"name": label, "type": "string", "values": [LABELS.get(label, label)]} for label in labels),
                {
                    "name": f"Value #{target['refId']}" if len(targets) > 1 else "Value",
                    "type": "number",
                    "values": [value],
                },
            ],
        }
        for target, value in zip(targets, values, strict=False)
    ]


def test_the_tables_have_the_expected_columns(library: Path) -> None:
    tables = {panel["title"]: panel for panel in panels() if panel["type"] == "table"}
    labels = {
        "Orgs": ["company", "org"],
        "Top agents": ["company", "org", "agent"],
        "Failing targets": ["company", "org", "folder", "reason"],
        "Failing discoveries": ["company", "reason"],
        "Builds": ["instance", "version", "pythonversion", "shard", "total_shards"],
    }
    assert tables.keys() == labels.keys()
    given = [
        {"transformations": panel["transformations"], "frames": frames(panel["targets"], labels[title], [*range(1, 9)])}
        for title, panel in tables.items()
    ]
    # Without mean durations, only one of two queries has a result.
    top = tables["Top agents"]
    given.append(
        {"transformations": top["transformations"], "frames": frames(top["targets"][:1], labels["Top agents"], [7])}
    )
    assert run(library, "transform.mjs", given) == [
        [
            [
                *(["Company", ["Co"]], ["Org", ["Co-Org"]]),
                *(["Calls today", [1]], ["Yesterday", [2]], ["A week ago", [3]]),
                *(["Mean duration", [4]], ["Agents", [5]], ["Since midnight", [6]]),
            ]
        ],
        [
            [
                *(["Company", ["Co"]], ["Org", ["Co-Org"]], ["Agent", ["a01"]]),
                *(["Calls today", [1]], ["Mean duration", [2]]),
            ]
        ],
        [
            [
                *(["Company", ["Co"]], ["Org", ["Co-Org"]], ["Folder", ["Sales"]]),
                *(["Reason", ["auth"]], ["Failed polls", [1]]),
            ]
        ],
        [[["Company", ["Co"]], ["Reason", ["auth"]], ["Failed discoveries", [1]]]],
        [
            [
                *(["Instance", ["x:1"]], ["Version", ["version"]], ["Python version", ["pythonversion"]]),
                *(["Shard", ["shard"]], ["Total shards", ["total_shards"]], ["Exporters", [1]]),
            ]
        ],
        [[["Company", ["Co"]], ["Org", ["Co-Org"]], ["Agent", ["a01"]], ["Calls today", [7]]]],
    ]
