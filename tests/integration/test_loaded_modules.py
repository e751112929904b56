"""What a process that serves has loaded: what only some configurations or commands need costs memory in all others."""

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.support.exporter_process import LOOPBACK, Running
from tests.support.raw_servers import answer, serving
from tests.support.repository import ROOT

LISTED = (
    "import json, sys; from exporter.cli.main import main; code = main(sys.argv[1:]);"
    "print(json.dumps(list(sys.modules))); sys.exit(code)"
)
NOT_NEEDED = {
    "bcrypt": "a web configuration with users",
    "jinja2": "the status page",
    "jq": "stats_jq",
    "exporter.status.page": "the status page",
    "exporter.cli.demo": "the demo",
    "exporter.cli.probe": "probe",
    "exporter.simulator": "the demo",
}
HASH = "$2b$04$bDGq.TJ7dNuQASA5pXOkzuDsU0BSNrT7vzpWDYEXypI2nq.CMJ7BO"  # of "test"


async def loaded(folder: Path, *requests: tuple[str, str | None], web_config: str | None = None) -> set[str]:
    """Return the modules of NOT_NEEDED that are loaded after requests for paths, each with its Authorization."""
    config = folder / "config.yaml"
    flags = []
    if web_config is not None:
        (folder / "web.yaml").write_text(web_config)
        flags = ["--web.config.file", str(folder / "web.yaml")]
    async with serving(answer(b'{"calls": 3, "avgduration": "0:01:00", "agents": {"a": 3}}')) as vspark:
        config.write_text(
            f"vspark: {{url: 'http://127.0.0.1:{vspark.port}', token: T}}\n"
            "companies: [{name: Co, orgs: [{name: Co-Org, timezone: UTC, folders: [A]}]}]\n"
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", LISTED, "--config.file", str(config), *LOOPBACK, *flags),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            address = re.findall(r"127\.0\.0\.1:[0-9]+", await Running(process).read_log("listening"))[0]
            async with asyncio.timeout(30), aiohttp.ClientSession(f"http://{address}") as session:
                while (await session.get("/-/ready")).status != 200:
                    await asyncio.sleep(0.01)
                for path, authorization in requests:
                    headers = {"Authorization": authorization} if authorization else {}
                    async with session.get(path, headers=headers) as response:
                        assert response.status == 200
                        await response.read()
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
    assert process.returncode == 0
    return NOT_NEEDED.keys() & set(json.loads(out))


async def test_polls_and_scrapes_load_only_what_they_need(tmp_path: Path) -> None:
    assert await loaded(tmp_path, ("/metrics", None), ("/-/healthy", None)) == set()


async def test_a_web_configuration_without_users_loads_no_more(tmp_path: Path) -> None:
    assert await loaded(tmp_path, ("/metrics", None), web_config="rate_limit: {interval: 0s, burst: 0}") == set()


@pytest.mark.parametrize(
    ("request_", "web_config", "expected"),
    [
        (("/", None), None, {"jinja2", "exporter.status.page"}),
        (("/metrics", aiohttp.encode_basic_auth("u", "test")), f"basic_auth_users: {{u: '{HASH}'}}", {"bcrypt"}),
    ],
)
async def test_the_rest_is_loaded_when_it_is_needed(
    tmp_path: Path, request_: tuple[str, str | None], web_config: str | None, expected: set[str]
) -> None:
    assert await loaded(tmp_path, request_, web_config=web_config) == expected
