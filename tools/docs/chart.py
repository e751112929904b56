"""The generated parts of the chart: the schema of its values, and the table of them in its README."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

CHART: Final = Path(__file__).parents[2] / "helm" / "vspark-exporter"

_COMMENT: Final = "# -- "
_OPEN: Final = frozenset(
    {
        *("resources", "livenessProbe", "readinessProbe", "podSecurityContext", "securityContext"),
        *("dashboards.labels", "prometheusRule.rules"),
    }
)
"""Mappings with keys of Kubernetes or of the user."""
_TYPES: Final[Mapping[type, str]] = {str: "string", bool: "boolean", int: "integer"}
_TEXTS: Final = frozenset({"secrets", "extraArgs", "ipFamilies", "targetLabels", "podTargetLabels"})
"""The last keys of the lists that contain text; the other lists contain mappings."""
_PORT: Final = {"minimum": 1, "maximum": 65535}
_AMOUNT: Final = {"type": ["integer", "string"], "minimum": 0, "pattern": "^([0-9]+%?)?$"}
_DNS_NAME: Final = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_NAME_OR_NONE: Final = {"pattern": f"{_DNS_NAME}|^$"}
_RULE: Final = {
    "type": "object",
    "properties": {
        "enabled": {"type": "boolean"},
        "threshold": {"type": "number"},
        "expr": {"type": "string", "minLength": 1},
        "for": {"type": "string", "pattern": "^([0-9]+(ms|[smhdwy]))+$|^0$"},
        "severity": {"type": "string", "minLength": 1},
    },
    "additionalProperties": False,
}
_NARROWED: Final[Mapping[str, Mapping[str, Any]]] = {
    "global": {"additionalProperties": True},
    "existingConfigMap": _NAME_OR_NONE,
    "namespaceOverride": _NAME_OR_NONE,
    "shards": {"minimum": 0},
    "dnsPolicy": {"enum": ["", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]},
    "revisionHistoryLimit": {"minimum": 0},
    "terminationGracePeriodSeconds": {"minimum": 0},
    "service.ipFamilyPolicy": {"enum": ["", "SingleStack", "PreferDualStack", "RequireDualStack"]},
    "service.ipFamilies": {"items": {"enum": ["IPv4", "IPv6"]}, "uniqueItems": True},
    "prometheusRule.rules": {"additionalProperties": _RULE},
    **{f"webConfig.{key}Secret": _NAME_OR_NONE for key in ("existing", "ca", "user", "client")},
    "webConfig.key": {"pattern": "^[-._a-zA-Z0-9]+$"},
    "secrets": {"items": {"type": "string", "pattern": _DNS_NAME}, "uniqueItems": True},
    "image.repository": {"minLength": 1},
    "image.digest": {"pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "service.port": _PORT,
    "networkPolicy.vsparkPort": _PORT | {"minimum": 0},
    "podDisruptionBudget.maxUnavailable": _AMOUNT,
    "podDisruptionBudget.minAvailable": _AMOUNT,
}
"""What the default of a value does not show."""


class _Value(NamedTuple):
    key: str
    path: str
    default: Any
    meaning: str
    below: tuple["_Value", ...]


def values_schema(configuration: str) -> str:
    """Return values.schema.json; `configuration` is the JSON Schema of the exporter's configuration.

    It uses draft 7, the newest that every Helm 3 supports.
    """
    exporter = json.loads(configuration.replace("#/$defs/", "#/definitions/"))
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {value.key: _schema(value) for value in _values()},
        "additionalProperties": False,
        "if": {"properties": {"existingConfigMap": {"const": ""}}},
        "then": {"properties": {"config": {"$ref": exporter["$ref"]}}},
        "else": {"properties": {"config": {"maxProperties": 0}}},
        "definitions": exporter["$defs"],
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def values_readme() -> str:
    """Return README.md: the existing text with a new table of values."""
    text = (CHART / "README.md").read_text("utf-8")
    start, end = "<!-- values, made by tools/docs/chart.py from values.yaml -->\n", "<!-- end of values -->\n"
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    rows = [f"| `{value.path}` | {_written(value.default)} | {value.meaning} |\n" for value in _leaves(_values())]
    return "".join([before, start, "| value | default | meaning |\n|---|---|---|\n", *rows, end, after])


def _values() -> tuple[_Value, ...]:
    text = (CHART / "values.yaml").read_text("utf-8")
    node = yaml.compose(text, yaml.SafeLoader)
    return tuple(_below(node, yaml.safe_load(text), text.splitlines(), ""))


def _below(node: Any, defaults: Mapping[str, Any], lines: list[str], above: str) -> Iterator[_Value]:
    for key_node, value_node in node.value:
        key, path = key_node.value, f"{above}.{key_node.value}".removeprefix(".")
        default = defaults[key]
        below: tuple[_Value, ...] = ()
        if isinstance(default, dict) and path not in _OPEN:
            below = tuple(_below(value_node, default, lines, path))
        yield _Value(key, path, default, _comment(lines, key_node.start_mark.line), below)


def _comment(lines: list[str], line: int) -> str:
    """Return the text of the comment directly above a line."""
    comment: list[str] = []
    while line and (above := lines[line - 1].strip()).startswith("#"):
        comment.insert(0, above.removeprefix(_COMMENT).removeprefix("# "))
        line -= 1
    return " ".join(comment)


def _schema(value: _Value) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": value.meaning} if value.meaning else {}
    match value.default:
        case dict() if value.below:
            schema |= {
                "type": "object",
                "properties": {each.key: _schema(each) for each in value.below},
                "additionalProperties": False,
            }
        case dict():
            schema["type"] = "object"
            if value.key.lower().endswith(("labels", "annotations", "nodeselector")):
                schema["additionalProperties"] = {"type": "string"}
        case list():
            schema |= {"type": "array", "items": {"type": "string" if value.key in _TEXTS else "object"}}
        case default:
            schema["type"] = _TYPES[type(default)]
    return schema | dict(_NARROWED.get(value.path, {}))


def _leaves(values: tuple[_Value, ...]) -> Iterator[_Value]:
    """Yield the values that are not mappings of others, and the mappings that have a comment."""
    for value in values:
        if value.below and value.meaning:
            yield value._replace(default="")
        elif not value.below:
            yield value
        yield from _leaves(value.below)


def _written(default: Any) -> str:
    return f"`{json.dumps(default)}`" if default != "" else ""
