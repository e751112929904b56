"""The commands that poll and serve. `main` imports this module only to run one of them."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from exporter.app import ServeOptions, serve
from exporter.cli.backfill_flags import DEFAULT_STEP_SECONDS
from exporter.cli.check import describe, describe_web
from exporter.cli.one_discovery import discover_once
from exporter.config.discovered import NOTHING
from exporter.config.loaded import ALL, LoadedConfig, Share
from exporter.errors import ConfigError, config_errors
from exporter.runtime import logs, threads
from exporter.runtime.terminal import printable
from exporter.web.toolkit.file import WebConfigFile

_One = TypeVar("_One")
_Other = TypeVar("_Other")

_EXIT_FAILED: Final = 1
_EXIT_CONFIG: Final = 2
_EXIT_INTERRUPTED: Final = 130


def run(flags: argparse.Namespace) -> int:
    """Run the command that the flags name, and return the exit code: 2 if the configuration is wrong."""
    code = _EXIT_CONFIG
    try:
        code = _COMMANDS[flags.command](flags)
    except* KeyboardInterrupt:
        code = _EXIT_INTERRUPTED
    except* BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = _EXIT_FAILED
    except* ConfigError as problems:
        _complain(problems)
    return code


def _complain(problems: BaseExceptionGroup[ConfigError]) -> None:
    for problem in config_errors(problems):
        sys.stderr.write(f"{printable(str(problem))}\n")


def _serve(flags: argparse.Namespace) -> int:
    share = Share(flags.shard, flags.total_shards)
    loaded, serving = _both(
        partial(_load, flags.config_file, share, or_future=flags.config_check), partial(_serving, flags)
    )
    load = partial(LoadedConfig.load, flags.config_file, share)
    if flags.config_check:
        outcome = threads.run(discover_once(loaded.config)) if flags.discover else None
        targets = loaded.targets(outcome.discovered if outcome else NOTHING)
        sys.stdout.write(describe(loaded.config, targets, outcome))
        sys.stdout.write(describe_web(serving.web_file, time.time()) if serving.web_file else "")
        return _EXIT_FAILED if outcome and outcome.failures else 0
    log = logs.configure(flags.log_level, flags.log_format)
    return threads.run(serve(loaded, load, serving, log))


def _demo(flags: argparse.Namespace) -> int:
    from exporter.cli.demo import demo  # noqa: PLC0415 # serving does not need the simulator

    serving = _serving(flags)
    log = logs.configure(flags.log_level, flags.log_format)
    return threads.run(demo(serving, log))


def _probe(flags: argparse.Namespace) -> int:
    from exporter.cli.probe import Shown, probe, probe_raw  # noqa: PLC0415 # serving needs neither it nor jq

    config = _load(flags.config_file).config
    now = datetime.now(UTC)
    if flags.raw:
        return threads.run(probe_raw(config, flags.target, now, sys.stdout.buffer, sys.stderr, redacted=flags.redact))
    shown = Shown(as_json=flags.json, redacted=flags.redact)
    return threads.run(probe(config, flags.target, shown, now, sys.stdout, sys.stderr))


def _backfill(flags: argparse.Namespace) -> int:
    # Serving needs neither it nor SQLite.
    from exporter.backfill.history import Wanted  # noqa: PLC0415
    from exporter.cli.backfill import backfill  # noqa: PLC0415

    config = _load(flags.config_file).config
    wanted = Wanted(
        output=flags.output,
        first=flags.first,
        last=flags.last,
        names=tuple(flags.names),
        agents=flags.agents,
        step_seconds=flags.step or DEFAULT_STEP_SECONDS,
        pause_seconds=flags.pause,
        labels=dict(flags.labels),
    )
    return threads.run(backfill(config, wanted, sys.stdout, sys.stderr))


_COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "serve": _serve,
    "probe": _probe,
    "demo": _demo,
    "backfill": _backfill,
}


def _load(path: Path, share: Share = ALL, *, or_future: bool = False) -> LoadedConfig:
    try:
        path.stat()
    except FileNotFoundError:
        hint = "name it with --config.file, or start from config.example.yaml"
        raise ExceptionGroup("rejected", [ConfigError("", f"{path} does not exist: {hint}")]) from None
    except (OSError, ValueError):
        pass  # loading it says more
    return LoadedConfig.load(path, share, or_future=or_future)


def _both(one: Callable[[], _One], other: Callable[[], _Other]) -> tuple[_One, _Other]:
    """Return both results; if both raise ConfigErrors, raise those of both."""
    try:
        first = one()
    except* ConfigError as problems:
        try:
            other()
        except* ConfigError as more:
            raise ExceptionGroup("the configuration is wrong", [problems, more]) from None
        raise
    return first, other()


def _serving(flags: argparse.Namespace) -> ServeOptions:
    return ServeOptions(
        addresses=tuple(flags.web_listen_address),
        metrics_path=flags.web_telemetry_path,
        process_metrics=not flags.web_disable_exporter_metrics,
        lifecycle=flags.web_enable_lifecycle,
        auto_reload_seconds=flags.config_auto_reload_interval if flags.config_enable_auto_reload else None,
        web_file=WebConfigFile(flags.web_config_file) if flags.web_config_file else None,
        max_requests=flags.web_max_requests,
    )
