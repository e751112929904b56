"""The upstream of the benchmark. It prepares `/stats` bodies in advance, so serving them costs almost no CPU time.

`POST /mode/MODE` selects the folders that change from one response to the next: `same` none, `some` 1 %, `all` all of
them. The response for a single folder never changes. `GET /responses` returns the number of responses so far.
"""

import argparse
import json
import random
from typing import Any

from aiohttp import web

from tools.bench.sizes import AGENTS_PER_FOLDER

_VARIANTS = 4
_SLASHES_OF_A_FOLDER = 2


def folder(name: str, agents: int, randomness: random.Random) -> dict[str, Any]:
    """Return the day record of a folder, with random calls and mean durations of its agents."""
    records = {
        f"agent{number:05}": {
            "calls": randomness.randrange(1, 120),
            "avgduration": f"0:{randomness.randrange(10):02}:{randomness.randrange(60):02}",
        }
        for number in range(agents)
    }
    return {"folder": name, "calls": 60 * agents, "avgduration": "0:05:12", "agents": records}


def bodies(folders: int, agents: int, mode: str) -> list[bytes]:
    """Return the bodies that are served in turn."""
    first = [folder(f"Folder{number:04}", agents, random.Random(f"{number}")) for number in range(folders)]
    changed = {"same": 0, "some": max(1, folders // 100), "all": folders}[mode]
    variants = []
    for variant in range(_VARIANTS if changed else 1):
        records = list(first)
        for number in range(changed):
            index = (variant * changed + number) % folders
            records[index] = folder(f"Folder{index:04}", agents, random.Random(f"{index}/{variant}"))
        variants.append(json.dumps(records).encode())
    return variants


def main() -> None:
    """Serve until the process is terminated."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folders", type=int, required=True)
    parser.add_argument("--agents", type=int, default=AGENTS_PER_FOLDER)
    flags = parser.parse_args()
    bodies_of_mode = {mode: bodies(flags.folders, flags.agents, mode) for mode in ("same", "some", "all")}
    record = folder("", flags.agents, random.Random("single folder"))
    del record["folder"]
    single_folder = json.dumps(record).encode()
    current = bodies_of_mode["same"]
    count = 0

    async def stats(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        if request.match_info["tail"].count("/") == _SLASHES_OF_A_FOLDER:
            return web.Response(body=single_folder, content_type="text/html")
        return web.Response(body=current[count % len(current)], content_type="text/html")

    async def mode(request: web.Request) -> web.Response:
        nonlocal current
        current = bodies_of_mode[request.match_info["mode"]]
        return web.Response()

    async def responses(_: web.Request) -> web.Response:
        return web.Response(text=str(count))

    app = web.Application()
    app.router.add_get("/stats/{tail:.*}", stats)
    app.router.add_post("/mode/{mode}", mode)
    app.router.add_get("/responses", responses)
    web.run_app(app, host="127.0.0.1", port=flags.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
