"""The upstream of the benchmark. It prepares `/stats` bodies in advance, so serving them costs almost no CPU time.

It lists the folders of each org, and has a time zone for it, as V-Spark has. A failed discovery would be tried again.
`POST /mode/MODE` selects the folders that change from one response to the next: `same` none, `some` 1 %, `all` all of
them. `GET /responses` returns the number of responses so far.
"""

import argparse
import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

COMPANY = "WideCo"
_VARIANTS = 4
_VARIANTS_OF_A_FOLDER = 61
"""A prime number: folders that are polled in turn do not get the same response again."""
_SLASHES_OF_A_FOLDER = 2

_Agents = Mapping[str, tuple[int, str]]
"""The calls and the mean duration of each agent."""


def org_name(number: int) -> str:
    """Return the short name of an org."""
    return f"{COMPANY}-Org{number}"


def folder_name(number: int) -> str:
    """Return the name of a folder of any org."""
    return f"Folder{number:05}"


def _as_object(agents: _Agents) -> dict[str, Any]:
    records = {agent: {"calls": calls, "avgduration": mean} for agent, (calls, mean) in agents.items()}
    return {**_totals(agents), "agents": records}


def _as_list(agents: _Agents) -> dict[str, Any]:
    records = [{"agent": agent, "calls": calls, "avgduration": mean} for agent, (calls, mean) in agents.items()]
    return {**_totals(agents), "agents": records}


def _beside(agents: _Agents) -> dict[str, Any]:
    """Return a record as `/appstats` has it: `agents` is their number, and each of them is a field."""
    records = {
        agent: {"calls": calls, "overall": {"ncalls": calls, "duration": mean}}
        for agent, (calls, mean) in agents.items()
    }
    return {"agents": len(agents), **records}


def _totals(agents: _Agents) -> dict[str, Any]:
    return {"calls": sum(calls for calls, _ in agents.values()), "avgduration": "0:05:12"}


FORMS: Final[Mapping[str, Callable[[_Agents], dict[str, Any]]]] = {
    "object": _as_object,
    "list": _as_list,
    "beside": _beside,
}


def record(form: str, agents: int, randomness: random.Random) -> dict[str, Any]:
    """Return the day record of a folder in a form, with random calls and mean durations of its agents."""
    return FORMS[form](
        {
            f"agent{number:05}": (
                randomness.randrange(1, 120),
                f"0:{randomness.randrange(10):02}:{randomness.randrange(60):02}",
            )
            for number in range(agents)
        }
    )


def org_bodies(form: str, folders: int, agents: int, mode: str) -> list[bytes]:
    """Return the bodies for a whole org that are served in turn."""
    first = [_named(number, record(form, agents, random.Random(f"{number}"))) for number in range(folders)]
    changed = {"same": 0, "some": max(1, folders // 100), "all": folders}[mode]
    variants = []
    for variant in range(_VARIANTS if changed else 1):
        records = list(first)
        for number in range(changed):
            index = (variant * changed + number) % folders
            records[index] = _named(index, record(form, agents, random.Random(f"{index}/{variant}")))
        variants.append(json.dumps(records).encode())
    return variants


def _named(number: int, values: dict[str, Any]) -> dict[str, Any]:
    return {"folder": folder_name(number), **values}


def main() -> None:
    """Serve until the process is terminated."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--orgs", type=int, required=True)
    parser.add_argument("--folders", type=int, required=True)
    parser.add_argument("--agents", type=int, required=True)
    parser.add_argument("--form", choices=FORMS, default="object")
    flags = parser.parse_args()
    of_org: dict[str, list[bytes]] = {}
    of_folder = [
        json.dumps(record(flags.form, flags.agents, random.Random(f"folder/{variant}"))).encode()
        for variant in range(_VARIANTS_OF_A_FOLDER)
    ]
    mode, count = "same", 0

    def bodies(*, of_one_folder: bool) -> list[bytes]:
        if of_one_folder:
            return of_folder if mode == "all" else of_folder[:1]
        if mode not in of_org:
            of_org[mode] = org_bodies(flags.form, flags.folders, flags.agents, mode)
        return of_org[mode]

    async def stats(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        variants = bodies(of_one_folder=request.match_info["tail"].count("/") == _SLASHES_OF_A_FOLDER)
        return web.Response(body=variants[count % len(variants)], content_type="text/html")

    async def orgs(_: web.Request) -> web.Response:
        return web.json_response({org_name(number): {"timezone": "UTC"} for number in range(flags.orgs)})

    async def folders(_: web.Request) -> web.Response:
        return web.json_response([folder_name(number) for number in range(flags.folders)])

    async def set_mode(request: web.Request) -> web.Response:
        nonlocal mode
        mode = request.match_info["mode"]
        bodies(of_one_folder=False)  # now, so that no poll waits for it
        return web.Response()

    async def responses(_: web.Request) -> web.Response:
        return web.Response(text=str(count))

    app = web.Application()
    app.router.add_get("/stats/{tail:.*}", stats)
    app.router.add_get(f"/config/{COMPANY}/orgs", orgs)
    app.router.add_get(f"/list/{COMPANY}/{{org}}/folders", folders)
    app.router.add_post("/mode/{mode}", set_mode)
    app.router.add_get("/responses", responses)
    web.run_app(app, host="127.0.0.1", port=flags.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
