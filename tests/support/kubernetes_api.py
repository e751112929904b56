"""A Kubernetes API server that is just enough for helm: discovery, and a store of objects without schemas."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import Thread
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import yaml

_KINDS: Final = {
    "v1": {
        "configmaps": "ConfigMap",
        "pods": "Pod",
        "secrets": "Secret",
        "serviceaccounts": "ServiceAccount",
        "services": "Service",
    },
    "apps/v1": {"deployments": "Deployment", "statefulsets": "StatefulSet"},
    "monitoring.coreos.com/v1": {
        "podmonitors": "PodMonitor",
        "prometheusrules": "PrometheusRule",
        "servicemonitors": "ServiceMonitor",
    },
    "monitoring.coreos.com/v1alpha1": {"alertmanagerconfigs": "AlertmanagerConfig"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
}
"""By API version: the kind of each resource name that occurs in paths."""

_NAMES: Final = {name: (version, kind) for version, kinds in _KINDS.items() for name, kind in kinds.items()}
_PROTOBUF: Final = b"k8s\0"
_DATA, _TYPE, _LABELS, _WITH_LENGTH = 2, 3, 11, 2
"""Field numbers in the protocol buffer of a Secret, and the wire type of strings and messages."""


class KubernetesApi:
    """The objects of a cluster, by their path."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self._changes = 0

    def names(self) -> set[str]:
        """Return KIND/NAME of every object, except the Secrets in which helm records releases."""
        objects = [each for each in self.objects.values() if each.get("type") != "helm.sh/release.v1"]
        return {f"{each['kind']}/{each['metadata']['name']}" for each in objects}

    def respond(self, method: str, url: str, body: Any) -> tuple[int, Any]:
        """Return the status and the body of the response to a request."""
        path, query = urlsplit(url).path, parse_qs(urlsplit(url).query)
        found = self._discovery(path) or self.objects.get(path)
        if method in ("POST", "PUT", "PATCH"):
            target = f"{path}/{body['metadata']['name']}" if method == "POST" else path
            found = self._put(target, _merged(found or {}, body) if method == "PATCH" else body)
        elif method == "DELETE":
            self.objects.pop(path, None)
        elif found is None and path.rpartition("/")[2] in _NAMES:
            found = self._list(path, query.get("labelSelector", [""])[0])
        if found is None:
            return 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        return 200, found

    def _discovery(self, path: str) -> Any:
        if path == "/version":
            return {"major": "1", "minor": "37", "gitVersion": "v1.37.0"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            versions = [
                (each.partition("/")[0], {"groupVersion": each, "version": "v1"}) for each in _KINDS if "/" in each
            ]
            groups = [{"name": name, "versions": [each], "preferredVersion": each} for name, each in versions]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        version = path.removeprefix("/apis/").removeprefix("/api/")
        if version not in _KINDS:
            return None
        verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
        resources = [
            {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": verbs}
            for name, kind in _KINDS[version].items()
        ]
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}

    def _put(self, path: str, body: Any) -> Any:
        self._changes += 1
        body["metadata"] |= {"uid": path, "resourceVersion": str(self._changes)}
        self.objects[path] = body
        return body

    def _list(self, path: str, selector: str) -> Any:
        required = dict(each.split("=", 1) for each in selector.split(",") if each)
        items = [
            each
            for name, each in self.objects.items()
            if name.rpartition("/")[0] == path and required.items() <= each["metadata"].get("labels", {}).items()
        ]
        version, kind = _NAMES[path.rpartition("/")[2]]
        return {"kind": f"{kind}List", "apiVersion": version, "metadata": {}, "items": items}


def _merged(old: Any, new: Any) -> Any:
    """Return the result of a JSON merge patch (RFC 7396).

    Helm also sends strategic merge patches; for the fields in them the result is the same.
    """
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    merged = old | {key: _merged(old.get(key), value) for key, value in new.items()}
    return {key: value for key, value in merged.items() if value is not None}


def _read(body: bytes) -> Any:
    """Return the object in a request body: JSON, YAML, or, if helm records a release, a Secret as a protocol buffer."""
    if not body.startswith(_PROTOBUF):
        return yaml.safe_load(body) if body else None
    whole = dict(_fields(body.removeprefix(_PROTOBUF)))
    secret = list(_fields(whole[2]))
    metadata = list(_fields(dict(secret)[1]))
    labels = [dict(_fields(entry)) for number, entry in metadata if number == _LABELS]
    data = [dict(_fields(entry)) for number, entry in secret if number == _DATA]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": dict(secret)[_TYPE].decode(),
        "metadata": {
            "name": dict(metadata)[1].decode(),
            "namespace": dict(metadata)[3].decode(),
            "labels": {entry[1].decode(): entry[2].decode() for entry in labels},
        },
        "data": {entry[1].decode(): b64encode(entry[2]).decode() for entry in data},
    }


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of the length-delimited fields of a protocol buffer; other fields are skipped."""
    stream = BytesIO(message)
    while first := stream.read(1):
        number = first[0] >> 3
        length = _varint(stream)
        if first[0] & 7 == _WITH_LENGTH:
            yield number, stream.read(length)


def _varint(stream: BytesIO) -> int:
    value = shift = 0
    while True:
        byte = stream.read(1)[0]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value


@contextmanager
def kubernetes_api() -> Iterator[tuple[KubernetesApi, str]]:
    """Serve an empty cluster on loopback; yield the cluster and its URL."""
    api = KubernetesApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            change = self.command in ("POST", "PUT", "PATCH")
            status, response = api.respond(self.command, self.path, _read(body) if change else None)
            data = json.dumps(response).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 # as http.server looks for them

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield api, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
