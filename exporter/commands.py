"""What the commands do that read the configuration, poll and serve; `cli` loads it only where one of them runs."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from exporter import logs
from exporter.check import describe
from exporter.config import Config, load_config
from exporter.errors import ConfigError
from exporter.probe import probe
from exporter.service import Serving, serve
from exporter.targets import make_targets, shard
from exporter.tls import tls_context

_EXIT_FAILED: Final = 1
_EXIT_CONFIG: Final = 2
_EXIT_INTERRUPTED: Final = 130


def run(flags: argparse.Namespace) -> int:
    """Run the command of the flags; give its exit code, 2 where the configuration is wrong."""
    code = _EXIT_CONFIG
    try:
        code = _COMMANDS[flags.command](flags)
    except* KeyboardInterrupt:
        code = _EXIT_INTERRUPTED
    except* BrokenPipeError:  # whoever reads, head perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = _EXIT_FAILED
    except* ConfigError as problems:
        for problem in _leaves(problems):
            sys.stderr.write(f"{flags.config_file}: {problem}\n")
    return code


def _serve(flags: argparse.Namespace) -> int:
    config = _load(flags.config_file)
    targets = shard(make_targets(config), flags.shard, flags.total_shards)
    if flags.config_check:
        sys.stdout.write(describe(config, targets))
        return 0
    log = logs.configure(flags.log_level, flags.log_format)
    return asyncio.run(serve(config, targets, _serving(flags), log))


def _demo(flags: argparse.Namespace) -> int:
    from exporter.demo import demo  # noqa: PLC0415 # who serves need not load the simulator

    log = logs.configure(flags.log_level, flags.log_format)
    return asyncio.run(demo(_serving(flags), log))


def _probe(flags: argparse.Namespace) -> int:
    config = _load(flags.config_file)
    return asyncio.run(probe(config, flags.target, datetime.now(UTC), sys.stdout))


_COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "serve": _serve,
    "probe": _probe,
    "demo": _demo,
}


def _load(path: Path) -> Config:
    config = load_config(path)
    tls_context(config.vspark.tls)
    return config


def _serving(flags: argparse.Namespace) -> Serving:
    return Serving(
        addresses=tuple(flags.listen_addresses),
        metrics_path=flags.metrics_path,
        process_metrics=not flags.disable_exporter_metrics,
    )


def _leaves(problems: BaseExceptionGroup[ConfigError]) -> Iterator[ConfigError]:
    for problem in problems.exceptions:
        if isinstance(problem, BaseExceptionGroup):
            yield from _leaves(problem)
        else:
            yield problem
