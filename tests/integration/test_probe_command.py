"""The command `probe` as a process: its flags, standard output, standard error and exit codes."""

import json
from pathlib import Path

import pytest

from exporter.simulator import Simulator
from tests.support.exporter_process import run
from tests.support.probed_site import NOW, SITE

BODY = '{"Süd & West":{"calls":3,"agents":{"a1":3}}}'


def config(folder: Path, url: str) -> str:
    path = folder / "config.yaml"
    company = "{name: Co, token: co-token, orgs: [{name: Nowhere}]}"
    path.write_text(f"vspark: {{url: '{url}'}}\ncompanies: [{company}]\ndiscovery: {{enabled: false}}\n")
    return f"--config.file={path}"


async def test_outputs_for_programs(tmp_path: Path) -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.override("Co", "Nowhere", body=BODY.encode())
        flag = config(tmp_path, simulator.url)
        assert await run(flag, "probe", "--raw", "Co/Nowhere") == (0, BODY, "")
        redacted = '{"folder1": {"calls": 3, "agents": {"agent1": 3}}}\n'
        assert await run(flag, "probe", "--raw", "--redact", "Co/Nowhere") == (0, redacted, "")
        code, out, errors = await run("probe", flag, "--json", "--redact")
    assert (code, errors) == (0, "")
    (target,) = json.loads(out)["targets"]
    assert target["records"] == [{"folder": "folder1", "calls": 3, "average_seconds": None, "agents": 1}]


@pytest.mark.parametrize("flags", [[], ["--json"], ["--raw"], ["--redact"]])
async def test_a_target_that_cannot_be_requested(tmp_path: Path, flags: list[str]) -> None:
    assert await run(config(tmp_path, "http://v"), "probe", *flags, "Else/Org") == (
        1,
        "",
        (
            "There is no token for Else: it is not in the configuration, and there is no token under vspark. Set "
            "token_file, token_env or token under vspark, or add the company with its own.\n"
        ),
    )


async def test_one_output_at_a_time(tmp_path: Path) -> None:
    code, out, errors = await run(config(tmp_path, "http://v"), "probe", "--raw", "--json")
    assert (code, out) == (2, "")
    assert errors.endswith("vspark-exporter probe: error: argument --json: not allowed with argument --raw\n")
