"""The upstream of the benchmark: finished `/stats` bodies, so that it costs next to nothing itself.

`/mode/MODE` chooses what changes from one answer to the next: `same` nothing, `some` 1 % of the folders, `all` all. A
folder that is asked for by its name always has the same day record.
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
    """Make one folder's day record: its agents' calls and mean durations at random."""
    records = {
        f"agent{number:05}": {
            "calls": randomness.randrange(1, 120),
            "avgduration": f"0:{randomness.randrange(10):02}:{randomness.randrange(60):02}",
        }
        for number in range(agents)
    }
    return {"folder": name, "calls": 60 * agents, "avgduration": "0:05:12", "agents": records}


def bodies(folders: int, agents: int, mode: str) -> list[bytes]:
    """Make the bodies that are given in turn."""
    first = [folder(f"Folder{number:04}", agents, random.Random(f"{number}")) for number in range(folders)]
    changed = {"same": 0, "some": max(1, folders // 100), "all": folders}[mode]
    answers = []
    for variant in range(_VARIANTS if changed else 1):
        records = list(first)
        for number in range(changed):
            place = (variant * changed + number) % folders
            records[place] = folder(f"Folder{place:04}", agents, random.Random(f"{place}/{variant}"))
        answers.append(json.dumps(records).encode())
    return answers


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folders", type=int, required=True)
    parser.add_argument("--agents", type=int, default=AGENTS_PER_FOLDER)
    flags = parser.parse_args()
    answers = {mode: bodies(flags.folders, flags.agents, mode) for mode in ("same", "some", "all")}
    record = folder("", flags.agents, random.Random("alone"))
    del record["folder"]
    alone = json.dumps(record).encode()
    chosen = answers["same"]
    count = 0

    async def stats(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        if request.match_info["tail"].count("/") == _SLASHES_OF_A_FOLDER:
            return web.Response(body=alone, content_type="text/html")
        return web.Response(body=chosen[count % len(chosen)], content_type="text/html")

    async def mode(request: web.Request) -> web.Response:
        nonlocal chosen
        chosen = answers[request.match_info["mode"]]
        return web.Response()

    async def answered(_: web.Request) -> web.Response:
        return web.Response(text=str(count))

    app = web.Application()
    app.router.add_get("/stats/{tail:.*}", stats)
    app.router.add_post("/mode/{mode}", mode)
    app.router.add_get("/answered", answered)
    web.run_app(app, host="127.0.0.1", port=flags.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
