"""Web configuration files (TLS, passwords, headers): one that is accepted, or ConfigErrors that quote no hash."""

import tempfile
from pathlib import Path
from random import Random
from typing import Any, Final

import yaml

from exporter.errors import ConfigError, config_errors
from exporter.web.toolkit.file import WebConfigFile
from tests.fuzz.targets import AnyBytes
from tests.fuzz.trees import Gardener

_HASH: Final = "$2b$04$" + "abcdefghijklmnopqrstuu" + "v" * 31
_NAMES: Final = (
    *("tls_server_config", "cert_file", "key_file", "cert", "key", "client_auth_type", "client_ca_file", "min_version"),
    *("max_version", "cipher_suites", "curve_preferences", "client_allowed_sans", "http_server_config", "http2"),
    *("headers", "X-Frame-Options", "Strict-Transport-Security", "basic_auth_users", "rate_limit", "burst", "interval"),
)
_LEAVES: Final[tuple[Any, ...]] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        1.5,
        "",
        "x",
        [],
        {},
        ["TLS_AES_128_GCM_SHA256"],
        "TLS12",
        "TLS13",
        "deny",
        "nosniff",
    ),
    *(
        "NoClientCert",
        "RequireAndVerifyClientCert",
        "X25519",
        _HASH,
        "$2b$99$",
        "1s",
        "a\x00b",
        "\ud800",
        ".",
        "absent",
    ),
)
WORDS: Final = tuple(f"{name}: " for name in _NAMES)
_gardener: Final = Gardener(_NAMES, _LEAVES)


def check(data: bytes) -> None:
    """Read a file with these bytes, as the server does at its start."""
    with tempfile.TemporaryDirectory(prefix="vspark-fuzz-") as folder:
        path = Path(folder) / "web.yaml"
        path.write_bytes(data)
        try:
            assert _HASH not in repr(WebConfigFile(path).config)
        except ExceptionGroup as group:
            errors = config_errors(group)
            assert errors
            assert all(isinstance(error, ConfigError) for error in errors), errors
            assert "\n" not in "".join(map(str, errors))


def mutate(data: bytes, most_bytes: int, random: Random, any_bytes: AnyBytes) -> bytes:
    """Change the tree of the file."""
    try:
        tree = yaml.load(data, yaml.CSafeLoader)  # a safe loader
        text = yaml.dump(_gardener.changed(tree, random), Dumper=yaml.CSafeDumper).encode("utf-8", "surrogatepass")
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return any_bytes(data, most_bytes)
    return text if len(text) <= most_bytes else any_bytes(data, most_bytes)
