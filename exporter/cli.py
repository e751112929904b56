"""The command line: flags, subcommands, exit codes."""

import argparse
import asyncio
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exporter import __version__, logs
from exporter.check import describe
from exporter.config import Config, load_config
from exporter.errors import ConfigError
from exporter.probe import probe
from exporter.service import Serving, serve
from exporter.targets import make_targets, shard
from exporter.tls import tls_context
from exporter.web import ListenAddress, check_metrics_path

_EXIT_FAILED = 1
_EXIT_CONFIG = 2
_EXIT_INTERRUPTED = 130
_DEFAULT_ADDRESS = ":10219"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code is 0, 1 where something failed, 2 where flags or configuration are wrong."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # names may hold what the terminal's encoding does not
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = _parser()
    flags = parser.parse_args(arguments)
    if not 0 <= flags.shard < flags.total_shards:
        parser.error("--shard has to be at least 0 and less than --total-shards")
    if flags.run is not _serve and (flags.config_check or flags.total_shards > 1):
        parser.error("--config.check and the shards go without a command")
    code = _EXIT_CONFIG
    try:
        code = flags.run(flags)
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


def _load(path: Path) -> Config:
    config = load_config(path)
    tls_context(config.vspark.tls)
    return config


def _serving(flags: argparse.Namespace) -> Serving:
    return Serving(
        addresses=tuple(flags.listen_addresses or [ListenAddress.parse(_DEFAULT_ADDRESS)]),
        metrics_path=flags.metrics_path,
        process_metrics=not flags.disable_exporter_metrics,
    )


def _leaves(problems: BaseExceptionGroup[ConfigError]) -> Iterator[ConfigError]:
    for problem in problems.exceptions:
        if isinstance(problem, BaseExceptionGroup):
            yield from _leaves(problem)
        else:
            yield problem


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vspark-exporter",
        description="V-Spark call analytics as Prometheus metrics. Without a command it polls and serves.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_serve)
    parser.add_argument("--version", action="version", version=f"vspark-exporter {__version__}")
    _add_config_file(parser, default=Path("config.yaml"))
    parser.add_argument(
        "--config.check", dest="config_check", action="store_true", help="say what would be polled, and exit"
    )
    _add_serving(parser)
    parser.add_argument("--shard", type=int, default=0, metavar="N", help="which share of the targets to poll, from 0")
    parser.add_argument("--total-shards", type=int, default=1, metavar="N", help="how many shares there are")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    probe_parser = commands.add_parser(
        "probe",
        help="ask targets once and show what is read of their answers",
        description="Ask targets once and show the request, the answer, and what is read of it by which rule.",
        allow_abbrev=False,
    )
    probe_parser.set_defaults(run=_probe)
    # What is suppressed here keeps the value that the same flag before the command has set.
    _add_config_file(probe_parser, default=argparse.SUPPRESS)
    probe_parser.add_argument(
        "target", nargs="?", metavar="COMPANY/ORG[/FOLDER]", help="only this target, or all of this company or org"
    )
    demo_parser = commands.add_parser(
        "demo",
        help="run beside a simulated V-Spark",
        description="Run a simulated V-Spark and the exporter that polls it.",
        allow_abbrev=False,
    )
    demo_parser.set_defaults(run=_demo)
    _add_serving(demo_parser, suppress=True)
    return parser


def _add_config_file(parser: argparse.ArgumentParser, *, default: Any) -> None:
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        default=default,
        metavar="FILE",
        help="the configuration (default: config.yaml)",
    )


def _add_serving(parser: argparse.ArgumentParser, *, suppress: bool = False) -> None:
    def add(name: str, dest: str, help_text: str, *, default: Any, **more: Any) -> None:
        parser.add_argument(name, dest=dest, default=argparse.SUPPRESS if suppress else default, help=help_text, **more)

    add(
        "--web.listen-address",
        "listen_addresses",
        f"where to listen, may be repeated (default: {_DEFAULT_ADDRESS})",
        default=None,
        type=_checked(ListenAddress.parse),
        action="append",
        metavar="HOST:PORT",
    )
    add(
        "--web.telemetry-path",
        "metrics_path",
        "where the metrics are (default: /metrics)",
        default="/metrics",
        type=_checked(check_metrics_path),
        metavar="PATH",
    )
    add(
        "--web.disable-exporter-metrics",
        "disable_exporter_metrics",
        "leave the metrics of the process out (process_…, python_…)",
        default=False,
        action="store_true",
    )
    add(
        "--log.level",
        "log_level",
        "write lines of this level and above (default: info)",
        default="info",
        choices=logs.LEVELS,
    )
    add("--log.format", "log_format", "how a line looks (default: logfmt)", default="logfmt", choices=logs.FORMATS)


def _checked(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse show the message of a ValueError."""

    def checked(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked
