"""Reloading the configuration: by SIGHUP, by HTTP, and when its files have changed."""

import asyncio
import fcntl
import os
import signal
import termios
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

import aiohttp
import psutil
import pytest
import structlog
from structlog.testing import LogCapture

from exporter.app import Running, ServeOptions, running
from exporter.config.loaded import LoadedConfig, checksum
from exporter.simulator import Simulator, demo_site
from exporter.web.endpoints import ListenAddress
from tests.support.exporter_process import LOOPBACK, begin, serving
from tests.support.exporter_process import Running as Program
from tests.support.fake_clock import NOON, FakeClock
from tests.support.raw_servers import until

CONFIG = """\
vspark: {{url: "{url}", token_file: token}}
companies:
  - name: DocTestCo
    orgs:
      - {{name: DocTestCo-DocTesting, timezone: US/Eastern, folders: [{folders}]}}
discovery: {{enabled: false}}
"""
TOKEN = "demo-doctestco-token"
BAD = "poll: {interval: 60, timeout: 5s}\n"
PROBLEMS = (
    "{}:7: poll.interval: expected a duration such as 30s, got a number without a unit",
    "{}:7: poll.timeout: unknown key; expected one of interval, concurrency, stale_after, previous_day_for",
)
Read = TypeVar("Read")
RELOADED = "vspark_exporter_config_last_reload_successful 1.0"
REFUSED = "vspark_exporter_config_last_reload_successful 0.0"


class Files:
    """A configuration and its token, in a folder."""

    def __init__(self, folder: Path, url: str) -> None:
        self.path = folder / "config.yaml"
        self.token = folder / "token"
        self._url = url
        self.token.write_text(TOKEN)
        self.write("Test01", "Test02")

    def write(self, *folders: str, more: str = "") -> None:
        self.path.write_text(CONFIG.format(url=self._url, folders=", ".join(folders)) + more)


class SilentPipe:
    """A pipe instead of a file; its writer writes one byte and then stays silent, without closing it."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.end = os.open(path, os.O_RDWR)
        os.write(self.end, b"#")

    @property
    def is_read(self) -> bool:
        """Whether the byte has been read, so that the reader waits for the next one."""
        return fcntl.ioctl(self.end, termios.FIONREAD, bytes(4)) == bytes(4)


@contextmanager
def silent_pipe(path: Path) -> Iterator[SilentPipe]:
    """Replace the file `path` by a silent pipe, and remove it after the block."""
    path.unlink()
    pipe = SilentPipe(path)
    try:
        yield pipe
    finally:
        os.close(pipe.end)
        path.unlink()


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(demo_site()) as simulator:
        yield simulator


@pytest.fixture
def files(tmp_path: Path, simulator: Simulator) -> Files:
    return Files(tmp_path, simulator.url)


async def page_with(program: Program, *wanted: str) -> str:
    """Return the page once it contains all of `wanted`."""
    async with asyncio.timeout(10):
        while True:
            page = (await program.get("/metrics"))[1].decode()
            if all(text in page for text in wanted):
                return page


async def post(program: Program, method: str = "POST") -> tuple[int, str, str | None]:
    async with program.session.request(method, "/-/reload") as response:
        return response.status, await response.text(), response.headers.get("Allow")


# The program


async def test_sighup_loads_it_again_and_a_bad_file_leaves_what_runs(files: Files) -> None:
    async with serving(files.path) as program:
        await page_with(program, RELOADED, 'vspark_up{company="DocTestCo",folder="Test02"')
        files.write("Test01", "Sales East")
        program.process.send_signal(signal.SIGHUP)
        assert await program.read_log("event=config_reloaded") == (
            "level=info event=config_reloaded targets=2 added=1 changed=0 removed=1 differs=companies"
        )
        page = await page_with(program, RELOADED, 'vspark_up{company="DocTestCo",folder="Sales East"')
        assert 'folder="Test02"' not in page
        files.write("Test01", more=BAD)
        program.process.send_signal(signal.SIGHUP)
        problem = PROBLEMS[1].format(files.path)
        assert (
            await program.read_log(problem) == f'level=error event=config_refused file={files.path} problem="{problem}"'
        )
        page = await page_with(program, REFUSED)
        assert 'vspark_folder_calls_today{company="DocTestCo",folder="Sales East"' in page
        files.write("Test01")
        program.process.send_signal(signal.SIGHUP)
        await page_with(program, RELOADED)
        code, logged, _ = await program.stop(signal.SIGTERM)
    assert code == 0
    assert [line.partition(" event=")[2] for line in logged] == [
        logged[0].partition(" event=")[2],
        "config_reloaded targets=2 added=1 changed=0 removed=1 differs=companies",
        *(f'config_refused file={files.path} problem="{problem.format(files.path)}"' for problem in PROBLEMS),
        "config_reloaded targets=1 added=0 changed=0 removed=1 differs=companies",
        "stopped",
    ]
    assert not any(TOKEN in line for line in logged)


async def test_http_loads_it_again_only_where_that_is_on(files: Files) -> None:
    async with serving(files.path) as program:
        assert await post(program) == (
            403,
            "Reload over HTTP is disabled: start the exporter with --web.enable-lifecycle.\n",
            None,
        )
        assert (await post(program, "GET"))[::2] == (405, "POST")
    async with serving(files.path, "--web.enable-lifecycle") as program:
        assert (await post(program, "GET"))[::2] == (405, "POST")
        assert (await post(program, "HEAD"))[::2] == (405, "POST")
        nothing = "Reloaded: 2 targets, 0 added, 0 changed, 0 removed. Differences: none.\n"
        assert await post(program) == (200, nothing, None)
        files.write("Test01", more=BAD)
        assert await post(program) == (
            500,
            "\n".join(("Not reloaded, the previous configuration is still in use:", *PROBLEMS, "")).format(
                *[files.path] * 2
            ),
            None,
        )
        await page_with(program, REFUSED)
        files.path.unlink()
        status, text, _ = await post(program)
        assert (status, "config.yaml" in text) == (500, True)


async def test_a_mounted_configmap_is_followed_and_what_is_rejected_is_tried_again(
    tmp_path: Path, simulator: Simulator
) -> None:
    """The kubelet writes a new folder and lets `..data` lead to it; what lies beside it are links through `..data`."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for version, token_file in (("1", secrets / "token"), ("2", secrets / "other")):
        (tmp_path / "mount" / version).mkdir(parents=True)
        Files(tmp_path / "mount" / version, simulator.url).write("Test01" if version == "1" else "Test02")
        config = tmp_path / "mount" / version / "config.yaml"
        config.write_text(config.read_text().replace("token_file: token", f"token_file: {token_file}"))
    (secrets / "token").write_text(TOKEN)
    data = tmp_path / "mount" / "..data"
    data.symlink_to("1")
    (tmp_path / "mount" / "config.yaml").symlink_to("..data/config.yaml")
    flags = ("--config.enable-auto-reload", "--config.auto-reload-interval", "100ms")
    async with serving(tmp_path / "mount" / "config.yaml", *flags) as program:
        await page_with(program, RELOADED, 'vspark_up{company="DocTestCo",folder="Test01"')
        swapped = tmp_path / "mount" / "..data_tmp"
        swapped.symlink_to("2")
        swapped.rename(data)
        assert "secrets/other" in await program.read_log("event=config_refused")
        await page_with(program, REFUSED)
        (secrets / "other").write_text(TOKEN)  # the Secret arrives after the ConfigMap that names its key
        await program.read_log("event=config_reloaded")
        await page_with(program, RELOADED, 'vspark_up{company="DocTestCo",folder="Test02"')
        _, logged, _ = await program.stop(signal.SIGTERM)
    events = [line.partition(" event=")[2].partition(" ")[0] for line in logged]
    assert events == ["listening", "config_refused", "config_reloaded", "stopped"]


async def test_a_file_of_a_terabyte_is_rejected_at_once(files: Files) -> None:
    async with serving(files.path, "--web.enable-lifecycle") as program:
        with files.path.open("ab") as file:
            file.truncate(1024**4)
        async with asyncio.timeout(20):
            status, text, _ = await post(program)
        assert (status, "larger than 16 MiB" in text) == (500, True)


async def test_it_ends_while_a_file_is_waited_for(files: Files) -> None:
    async with serving(files.path) as program:
        await page_with(program, RELOADED)
        with silent_pipe(files.path) as pipe:
            program.process.send_signal(signal.SIGHUP)
            await until(lambda: pipe.is_read)
            code, logged, seconds = await program.stop(signal.SIGTERM)
    assert code == 0
    assert logged[-1].endswith("event=stopped")
    assert seconds < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_when_told_while_it_starts(files: Files, number: signal.Signals) -> None:
    with silent_pipe(files.path) as pipe:
        process = await begin("--config.file", str(files.path), *LOOPBACK)
        await until(lambda: pipe.is_read)
        process.send_signal(number)
        async with asyncio.timeout(10):
            assert await process.communicate() == (b"", b"")
        assert process.returncode == 0


async def test_a_sighup_while_it_starts_waits_until_it_runs(files: Files) -> None:
    text = files.path.read_text()
    files.path.unlink()
    pipe = SilentPipe(files.path)
    program = Program(await begin("--config.file", str(files.path), *LOOPBACK))
    await until(lambda: pipe.is_read)
    program.process.send_signal(signal.SIGHUP)
    files.path.unlink()
    files.write("Test01", "Test02", "Sales East")
    os.write(pipe.end, f"\n{text}".encode())
    os.close(pipe.end)
    await program.read_log("listening")
    assert await program.read_log("event=config_reloaded") == (
        "level=info event=config_reloaded targets=3 added=1 changed=0 removed=0 differs=companies"
    )
    assert (await program.stop(signal.SIGTERM))[0] == 0


# In this process


@asynccontextmanager
async def exporting(
    path: Path, *, watched_every: float | None = None
) -> AsyncIterator[tuple[Running, FakeClock, LogCapture]]:
    clock, capture = FakeClock(NOON), LogCapture()
    log = structlog.wrap_logger(structlog.PrintLogger(), processors=[capture])
    serving = ServeOptions((ListenAddress("127.0.0.1", 0),), lifecycle=True, auto_reload_seconds=watched_every)
    async with running(LoadedConfig.load(path), lambda: LoadedConfig.load(path), serving, log, clock) as exporter:
        yield exporter, clock, capture


async def page_of(exporter: Running) -> str:
    async with aiohttp.ClientSession(exporter.web.urls[0]) as session, session.get("/metrics") as response:
        return await response.text()


def events(capture: LogCapture) -> Sequence[str]:
    return [entry["event"] for entry in capture.entries if entry["log_level"] != "debug"]


async def test_200_reloads_leave_nothing_behind(files: Files) -> None:
    process = psutil.Process()
    names = ("Test01", "Test02", "Sales East", "Sales West")

    def count() -> tuple[int, int, int]:
        """Return the numbers of tasks, descriptors and connections."""
        return len(asyncio.all_tasks()), process.num_fds(), len(process.net_connections())

    async with exporting(files.path) as (exporter, _, capture):
        for number in range(200):
            # Folders come and go, and every few times the connections are others, too.
            files.write(*names[: 1 + number % 4], more=f"poll: {{concurrency: {1 + (number // 10 + 1) % 2}}}\n")
            await exporter.reloader.reload()
            if number == 19:
                await until(lambda: not any(task.get_name().startswith("DocTestCo") for task in asyncio.all_tasks()))
                at_rest = count()
        assert events(capture).count("config_reloaded") == 200
        await until(lambda: all(now <= before for now, before in zip(count(), at_rest, strict=True)))
        async with asyncio.timeout(10):  # the last polls may wait for their batch
            while (await page_of(exporter)).count("\nvspark_up{") != 4:
                await asyncio.sleep(0.01)


async def test_connections_stay_unless_they_have_to_change(files: Files) -> None:
    async with exporting(files.path) as (exporter, _, __):
        sessions: list[aiohttp.ClientSession] = []
        for more in ("", "agents: {enabled: false}\n", "poll: {interval: 30s}\n", "poll: {concurrency: 2}\n"):
            files.write("Test01", more=more)
            await exporter.reloader.reload()
            sessions.append(exporter.reloader._apply.__self__._client._session)  # type: ignore[attr-defined]
        assert [each is sessions[0] for each in sessions] == [True, True, True, False]
        assert [each.closed for each in sessions] == [True, True, True, False]


async def test_an_interval_shorter_than_the_timeout_is_logged_at_start_and_after_a_reload(files: Files) -> None:
    files.write("Test01", more="poll: {interval: 5s}\n")
    reason = "is shorter than vspark.timeout, so a slow poll skips the next one"
    async with exporting(files.path) as (exporter, _, capture):
        files.write("Test01", more="poll: {interval: 9s}\n")
        await exporter.reloader.reload()
        files.write("Test01", more="poll: {interval: 10s}\n")
        await exporter.reloader.reload()
    assert [entry for entry in capture.entries if entry["event"] == "long_timeout"] == [
        {"event": "long_timeout", "log_level": "warning", "place": f"poll.interval: {interval} {reason}"}
        for interval in ("5s", "9s")
    ]


async def pass_interval(exporter: Running, clock: FakeClock) -> None:
    """Let it look for a change, and try to load it."""
    tried = exporter.reloader.last
    await until(lambda: any(wake > clock.monotonic() + 1 for wake, _ in clock.sleepers))
    clock.advance(30)
    await until(lambda: exporter.reloader.last is not tried)


async def test_only_what_is_new_about_a_refusal_is_logged(files: Files) -> None:
    async with exporting(files.path, watched_every=30.0) as (exporter, clock, capture):
        files.write("Test01", more=BAD)
        await pass_interval(exporter, clock)
        await pass_interval(exporter, clock)
        files.write("Test01", more="polls: {}\n")
        await pass_interval(exporter, clock)
        await pass_interval(exporter, clock)
        assert (await exporter.reloader.reload()).problems == (
            f"{files.path}:7: polls: unknown key; did you mean 'poll'?",
        )
        files.write("Test01")
        await pass_interval(exporter, clock)
        assert [event for event in events(capture) if event.startswith("config_")] == [
            *["config_refused"] * 4,
            "config_reloaded",
        ]


async def test_a_bug_while_loading_is_logged_without_its_message(files: Files) -> None:
    async def apply(_: LoadedConfig) -> object:
        raise RuntimeError(TOKEN)

    async with exporting(files.path) as (exporter, _, capture):
        exporter.reloader._apply = apply  # type: ignore[assignment]
        async with aiohttp.ClientSession(exporter.web.urls[0]) as session, session.post("/-/reload") as response:
            assert (response.status, await response.text()) == (
                500,
                (
                    "Not reloaded, the previous configuration is still in use:\n"
                    "a bug of this program: the log has the traceback\n"
                ),
            )
        (entry,) = [entry for entry in capture.entries if entry["event"] == "reload_failed"]
        assert entry["error"] == "RuntimeError"
        assert "in apply" in entry["traceback"]
        assert TOKEN not in repr(capture.entries)


async def test_a_bug_that_is_met_again_each_time_is_logged_once(files: Files) -> None:
    async def apply(_: LoadedConfig) -> object:
        raise RuntimeError

    async with exporting(files.path, watched_every=30.0) as (exporter, clock, capture):
        follow, exporter.reloader._apply = exporter.reloader._apply, apply  # type: ignore[assignment]
        files.write("Test01")
        for _ in range(3):
            await pass_interval(exporter, clock)
        exporter.reloader._apply = follow
        await pass_interval(exporter, clock)
        logged = [event for event in events(capture) if event != "listening" and not event.startswith("poll_")]
        assert logged == ["reload_failed", "config_refused", "config_reloaded"]


# Files that keep it waiting


class Hanging:
    """Reads of a pipe that nobody writes to, as of a file on a mount that has gone, until `end`."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        self.now = True
        self.begun = 0

    def before(self, read: Callable[[Path], Read]) -> Callable[[Path], Read]:
        """Return a function that hangs until `end`, and then reads."""

        def hang(path: Path) -> Read:
            if self.now:
                self.begun += 1
                os.read(self._reading, 1)
            return read(path)

        return hang

    def end(self) -> None:
        self.now = False
        os.close(self._writing)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    if hanging.now:
        hanging.end()


async def post_in(exporter: Running) -> tuple[int, str]:
    async with (
        asyncio.timeout(10),
        aiohttp.ClientSession(exporter.web.urls[0]) as session,
        session.post("/-/reload") as response,
    ):
        return response.status, await response.text()


async def test_a_pipe_whose_writer_is_silent_is_rejected_after_a_while(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.runtime.files.PIPE_SECONDS", 0.2)
    problem = f"{files.path}: cannot read the file: it is a pipe, and its writer has not closed it within 0.2 s"
    async with exporting(files.path) as (exporter, _, capture):
        with silent_pipe(files.path):
            status, text = await post_in(exporter)
        assert (status, text.splitlines()[1:]) == (500, [problem])
        assert REFUSED in await page_of(exporter)
        assert [entry["problem"] for entry in capture.entries if entry["event"] == "config_refused"] == [problem]
        files.write("Test01")
        assert (await post_in(exporter))[0] == 200
        assert RELOADED in await page_of(exporter)


async def test_a_file_that_cannot_be_read_in_time_is_rejected_until_it_can(
    files: Files, monkeypatch: pytest.MonkeyPatch, hanging: Hanging
) -> None:
    monkeypatch.setattr("exporter.polling.reload.LOAD_SECONDS", 0.1)
    hint = "check the file system, or the writer of a pipe"
    late = f"'{files.path}' or a file that it names cannot be read within 0.1 s; {hint}"
    many = f"'{files.path}' or a file that it names: 4 earlier attempts to read them still hang; {hint}"
    async with exporting(files.path) as (exporter, _, capture):
        load = hanging.before(LoadedConfig.load)
        exporter.reloader._load = lambda: load(files.path)
        answers = [await post_in(exporter) for _ in range(6)]
        assert [(status, text.splitlines()[1:]) for status, text in answers] == [
            *[(500, [late])] * 4,
            *[(500, [many])] * 2,
        ]
        assert hanging.begun == 4
        assert REFUSED in await page_of(exporter)
        assert events(capture).count("config_refused") == 6
        hanging.end()
        monkeypatch.setattr("exporter.polling.reload.LOAD_SECONDS", 10.0)
        await until(lambda: not exporter.reloader._reading)
        assert (await post_in(exporter))[0] == 200
        assert RELOADED in await page_of(exporter)


async def test_a_look_for_changes_that_hangs_is_logged(
    files: Files, monkeypatch: pytest.MonkeyPatch, hanging: Hanging
) -> None:
    monkeypatch.setattr("exporter.polling.reload.LOAD_SECONDS", 0.1)
    async with exporting(files.path, watched_every=30.0) as (exporter, clock, capture):
        monkeypatch.setattr("exporter.polling.reload.checksum", hanging.before(checksum))
        await pass_interval(exporter, clock)
        assert "cannot be read within 0.1 s" in exporter.reloader.last.problems[0]
        assert REFUSED in await page_of(exporter)
        hanging.end()
        monkeypatch.setattr("exporter.polling.reload.LOAD_SECONDS", 10.0)
        await pass_interval(exporter, clock)
        assert RELOADED in await page_of(exporter)
        assert [event for event in events(capture) if event.startswith("config_")] == [
            "config_refused",
            "config_reloaded",
        ]
