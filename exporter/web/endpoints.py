"""The web server's addresses and paths. Imports nothing heavy, because the health check needs it."""

import re
from typing import Final, NamedTuple, Self

HEALTHY_PATH: Final = "/-/healthy"
READY_PATH: Final = "/-/ready"
RELOAD_PATH: Final = "/-/reload"
TARGETS_PATH: Final = "/api/v1/targets"
_RESERVED_PATHS: Final = ("/", HEALTHY_PATH, READY_PATH, RELOAD_PATH, TARGETS_PATH)
_ADDRESS: Final = re.compile(r"(?:\[([^\[\]\s]+)\]|([^\[\]:\s]*)):([0-9]{1,20})")
_LARGEST_PORT: Final = 65535


class ListenAddress(NamedTuple):
    """An address to listen on; without a host: all addresses of the machine."""

    host: str | None
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address in `:10219`, `127.0.0.1:10219` or `[::1]:10219`; raises ValueError."""
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise ValueError(f"expected an address such as :10219, 127.0.0.1:10219 or [::1]:10219, got {text!r}")
        if int(match[3]) > _LARGEST_PORT:
            raise ValueError(f"expected a port of at most {_LARGEST_PORT}, got {text!r}")
        return cls(match[1] or match[2] or None, int(match[3]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.host and ":" in self.host else f"{self.host or ''}:{self.port}"


def check_metrics_path(path: str) -> str:
    """Return `path`; raises ValueError if the metrics cannot be served there."""
    if path in _RESERVED_PATHS:
        raise ValueError(f"{path!r} is taken by another page; expected a path such as /metrics")
    if not path.startswith("/") or any(char in path for char in "{}?#%"):
        raise ValueError(f"expected a path such as /metrics, got {path!r}")
    return path


def http_url(host: str, port: int, scheme: str = "http") -> str:
    """Return the URL of a server, with brackets around an IPv6 address."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
