"""The unit, checked by systemd-analyze, and run by a systemd that the test boots."""

# ruff: noqa: S603 # it runs only its own commands

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import psutil
import pytest

from exporter.exposition.text_format import Format
from exporter.simulator import Simulator
from tests.support.canary_site import CANARY, SITE
from tests.support.exposition_oracle import assert_valid
from tests.support.repository import ROOT
from tests.support.tools import missing, tool
from tools.bench.measure import free_port

UNIT = ROOT / "deploy" / "systemd" / "vspark-exporter.service"
PROGRAM = "/opt/vspark-exporter/bin/vspark-exporter"
CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
DEADLINE_SECONDS = 30.0


def judged(*arguments: str | Path) -> tuple[int, str]:
    """Run systemd-analyze; return its exit code and its output."""
    command = [tool("systemd-analyze", "systemd"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def test_systemd_has_no_complaint(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text("utf-8").replace(PROGRAM, sys.executable))
    assert judged("verify", unit) == (0, "")
    unit.write_text(unit.read_text("utf-8").replace("LockPersonality", "LockPersonalty"))
    assert "'LockPersonalty' in section" in judged("verify", unit)[1]


def test_it_is_hardly_exposed(tmp_path: Path) -> None:
    at_most = ("security", "--offline=true", "--no-pager", "--threshold=15")
    code, judgement = judged(*at_most, UNIT)
    assert code == 0, judgement
    bare = tmp_path / UNIT.name
    bare.write_text(f"[Service]\nExecStart={PROGRAM}\n")
    assert judged(*at_most, bare)[0] == 1


CREDENTIAL = "/run/credentials/vspark-exporter.service/token_vspark"
CONFIG = """\
vspark: {{url: "{url}", token_file: {token}}}
discovery: {{enabled: false}}
poll: {{interval: 1s}}
companies: [{{name: Co, orgs: [{{name: Org, timezone: UTC, folders: [good]}}]}}]
stats_jq: .
"""
DROP_IN = f"""\
[Service]
Environment=LD_LIBRARY_PATH=/opt/python/lib
ExecStart=
ExecStart={PROGRAM} --config.file=/etc/vspark-exporter/config.yaml --web.listen-address=127.0.0.1:PORT
"""
NARROWED = """\
IPAddressDeny=any
IPAddressAllow=localhost
"""
WITHOUT_CREDENTIALS = """\
LoadCredential=
SupplementaryGroups=daemon
"""


class Machine:
    """A booted systemd."""

    def __init__(self, pid: int, port: int) -> None:
        self._pid = pid
        self._url = f"http://127.0.0.1:{port}"

    def run(self, *command: str) -> str:
        """Run a command on the machine, and return its output."""
        done = subprocess.run(
            [tool("nsenter", "util-linux"), f"--target={self._pid}", "--all", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout.rstrip("\n")

    def shown(self, what: str) -> str:
        return self.run("systemctl", "show", f"--property={what}", "--value", "vspark-exporter")

    async def metrics(self) -> dict[str, float]:
        """Return the values of the page by name and folder; empty if there is no page yet."""
        with suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession(self._url) as session, session.get("/metrics") as response:
                series = assert_valid(await response.read(), Format.TEXT)
            return {f"{name} {dict(labels).get('folder', '')}".strip(): each for (name, labels), each in series.items()}
        return {}

    async def is_up(self, value: float, folder: str = "good") -> bool:
        return (await self.metrics()).get(f"vspark_up {folder}") == value


def prepared(folder: Path, port: int, config: str, token: str, drop_in: str) -> Path:
    """Write the files that boot.sh needs into a folder; return a cgroup for the machine."""
    if os.geteuid() != 0:
        (pytest.fail if os.environ.get("REQUIRE_TOOLS") == "1" else pytest.skip)("only root can create the namespaces")
    cgroups = [each for each in CGROUPS if (each / "cgroup.procs").exists() and (each / "cgroup.controllers").exists()]
    if not cgroups or not Path("/lib/systemd/systemd").exists():
        missing("a systemd and cgroups of version 2 are missing: apt-get install systemd")
    contents = {
        "units/vspark-exporter.service": UNIT.read_text("utf-8"),
        "units/vspark-exporter.service.d/test.conf": DROP_IN.replace("PORT", str(port)) + drop_in,
        "units/test.target": "[Unit]\nWants=vspark-exporter.service\n",
        "etc/config.yaml": config,
        "etc/tokens/vspark": token,
    }
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "etc/tokens").chmod(0o700)
    shutil.copytree(ROOT / "exporter", folder / "packages" / "exporter")
    cgroup = cgroups[-1] / f"vspark-exporter-test-{port}"
    cgroup.mkdir()
    return cgroup


@asynccontextmanager
async def machine(folder: Path, config: str, token: str, drop_in: str = "") -> AsyncIterator[Machine]:
    """Boot a systemd with the unit; afterwards its processes are killed and its files removed."""
    port = free_port()
    cgroup = prepared(folder, port, config, token, drop_in)
    boot = ["unshare", "-mpuiC", "--fork", "--kill-child", "sh", str(Path(__file__).parent / "systemd" / "boot.sh")]
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f'echo $$ > {cgroup}/cgroup.procs; exec "$@"', "sh", *boot),
        *(str(folder), sys.base_prefix, sys.prefix, str(folder / "packages")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        unshare = psutil.Process(process.pid)
        await until(lambda: [each.name() for each in unshare.children()] == ["systemd"])
        yield Machine(unshare.children()[0].pid, port)
    finally:
        process.kill()
        output, _ = await process.communicate()
        sys.stdout.write(output.decode())
        await until(lambda: removed(cgroup))


def removed(cgroup: Path) -> bool:
    for path in sorted([*cgroup.rglob("*"), cgroup], reverse=True):
        if path.is_dir():
            with suppress(OSError):
                path.rmdir()
    return not cgroup.exists()


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            found = condition()
            if found is True or (not isinstance(found, bool) and await found):
                return
            await asyncio.sleep(0.1)


@pytest.mark.release
async def test_systemd_runs_it(tmp_path: Path) -> None:
    begun = time.time()
    async with (
        Simulator(SITE, host="127.0.0.1") as simulator,
        machine(tmp_path, CONFIG.format(url=simulator.url, token=CREDENTIAL), "wrong", NARROWED) as booted,
    ):
        await until(lambda: booted.is_up(0))
        metrics = await booted.metrics()
        assert begun - 1 <= metrics["process_start_time_seconds"] <= time.time()
        pid = booted.shown("MainPID")
        status = dict(line.split(":\t", 1) for line in booted.run("cat", f"/proc/{pid}/status").splitlines())
        assert {status[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        user = status["Uid"].split()[0]
        assert int(user) > 60000
        assert booted.run("stat", "-c", "%u %a", CREDENTIAL) == f"{user} 400"

        # systemd copies the token when the service starts.
        booted.run("sh", "-c", f"printf '%s' '{CANARY}' > /etc/vspark-exporter/tokens/vspark")
        assert booted.run("cat", CREDENTIAL) == "wrong"
        assert booted.run("systemctl", "restart", "vspark-exporter") == ""
        await until(lambda: booted.is_up(1))
        assert booted.run("cat", CREDENTIAL) == CANARY

        # A reload loads the changed configuration, in the same process.
        pid = booted.shown("MainPID")
        booted.run("sed", "-i", "s/folders: .good./folders: [good, slow]/", "/etc/vspark-exporter/config.yaml")
        assert booted.run("systemctl", "reload", "vspark-exporter") == ""
        await until(lambda: booted.is_up(1, "slow"))
        assert booted.shown("MainPID") == pid

        # systemd restarts the service after a crash.
        booted.run("kill", "-9", booted.shown("MainPID"))
        await until(lambda: booted.shown("NRestarts") == "1")
        await until(lambda: booted.is_up(1))

        log = booted.run("journalctl", "--unit=vspark-exporter", "--output=cat", "--grep=level=(warn|error)")
        assert "event=poll_failed target=Co/Org/good reason=auth" in log
        warnings = booted.run("journalctl", "--unit=vspark-exporter", "--priority=warning", "--grep=level=")
        assert warnings == "-- No entries --"
        assert CANARY not in booted.run("journalctl")

        assert booted.run("systemctl", "stop", "vspark-exporter") == ""
        assert (booted.shown("Result"), booted.shown("ExecMainStatus")) == ("success", "0")

        # While the service does not run, as before its first start, its credentials do not exist.
        assert booted.run("cat", CREDENTIAL).endswith("No such file or directory")
        check = (PROGRAM, "--config.check", "--config.file=/etc/vspark-exporter/config.yaml")
        checked = booted.run("env", "LD_LIBRARY_PATH=/opt/python/lib", *check)
        assert f"WARNING: {CREDENTIAL} is not checked: systemd creates it when it starts the service\n" in checked
        assert "    slow, every 1s, stale after 5s" in checked

        # An error in the configuration is not retried: it would stay.
        booted.run("sh", "-c", "echo 'poll: {}' > /etc/vspark-exporter/config.yaml")
        booted.run("systemctl", "start", "vspark-exporter")
        await until(lambda: booted.shown("ActiveState") == "failed")
        assert (booted.shown("NRestarts"), booted.shown("ExecMainStatus")) == ("0", "2")
        assert "config.yaml:1: vspark: is missing" in booted.run("journalctl", "--unit=vspark-exporter", "--output=cat")


@pytest.mark.release
async def test_a_token_of_a_group_is_read_again(tmp_path: Path) -> None:
    file = "/etc/vspark-exporter/tokens/vspark"
    async with (
        Simulator(SITE, host="127.0.0.1") as simulator,
        machine(tmp_path, CONFIG.format(url=simulator.url, token=file), "wrong", WITHOUT_CREDENTIALS) as booted,
    ):
        await until(lambda: booted.shown("ActiveState") == "failed")
        assert f"cannot read '{file}': Permission denied" in booted.run("journalctl", "--unit=vspark-exporter")
        booted.run("sh", "-c", "cd /etc/vspark-exporter/tokens; chgrp -R daemon .; chmod 750 .; chmod 640 vspark")
        booted.run("systemctl", "start", "vspark-exporter")
        await until(lambda: booted.is_up(0))
        booted.run("sh", "-c", f"printf '%s' '{CANARY}' > {file}")
        await until(lambda: booted.is_up(1))
