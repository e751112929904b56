"""What the commands do that read the configuration, poll and serve; `cli` loads it only where one of them runs."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final

from exporter import logs
from exporter.check import describe
from exporter.errors import ConfigError, config_errors
from exporter.plan import Share, load_plan
from exporter.probe import probe
from exporter.service import Serving, serve

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
        for problem in config_errors(problems):
            sys.stderr.write(f"{flags.config_file}: {problem}\n")
    return code


def _serve(flags: argparse.Namespace) -> int:
    load = partial(load_plan, flags.config_file, Share(flags.shard, flags.total_shards))
    plan = load()
    if flags.config_check:
        sys.stdout.write(describe(plan.config, plan.targets))
        return 0
    log = logs.configure(flags.log_level, flags.log_format)
    return asyncio.run(serve(plan, load, _serving(flags), log))


def _demo(flags: argparse.Namespace) -> int:
    from exporter.demo import demo  # noqa: PLC0415 # who serves need not load the simulator

    log = logs.configure(flags.log_level, flags.log_format)
    return asyncio.run(demo(_serving(flags), log))


def _probe(flags: argparse.Namespace) -> int:
    config = load_plan(flags.config_file).config
    return asyncio.run(probe(config, flags.target, datetime.now(UTC), sys.stdout))


_COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "serve": _serve,
    "probe": _probe,
    "demo": _demo,
}


def _serving(flags: argparse.Namespace) -> Serving:
    return Serving(
        addresses=tuple(flags.listen_addresses),
        metrics_path=flags.metrics_path,
        process_metrics=not flags.disable_exporter_metrics,
        lifecycle=flags.lifecycle,
        auto_reload_seconds=flags.auto_reload_seconds if flags.auto_reload else None,
    )
