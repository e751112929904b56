"""A server of finished pages, compressed in advance."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from aiohttp import web

from tools.bench.measure import PYTHON, Server, free_port, running


@contextmanager
def serving(bodies: Sequence[bytes], folder: Path) -> Iterator[Server]:
    """Serve gzip bodies at /metrics in turn while the block runs; `folder` is for its files."""
    port = free_port()
    files = [folder / f"{port}.{number}.gz" for number in range(len(bodies))]
    for file, body in zip(files, bodies, strict=True):
        file.write_bytes(body)
    with running(port, *PYTHON, "tools.bench.static", f"--port={port}", *map(str, files)) as server:
        server.wait_for("/metrics")
        yield server


def main() -> None:
    """Serve until the process is terminated."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("files", nargs="+", type=Path)
    flags = parser.parse_args()
    bodies = cycle([file.read_bytes() for file in flags.files])

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=next(bodies), content_type="text/plain", headers={"Content-Encoding": "gzip"})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    web.run_app(app, host="127.0.0.1", port=flags.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
