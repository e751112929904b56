"""The command line: flags, commands, exit codes."""

import argparse
import io
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from exporter import __version__
from exporter.cli.backfill_flags import add_backfill_flags
from exporter.cli.healthcheck import healthcheck
from exporter.cli.unknown_flags import Flags, unknown
from exporter.config.units import Duration
from exporter.runtime import logs
from exporter.web.endpoints import ListenAddress, check_metrics_path

_DEFAULT_ADDRESS: Final = ListenAddress(None, 10219)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return the exit code: 0, 1 if something failed, 2 if flags or configuration are wrong."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # names may contain characters that the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    parser, by_name = _parser()
    arguments = sys.argv[1:] if arguments is None else arguments
    if message := unknown(arguments, parser.flags, {name: each.flags for name, each in by_name.items()}):
        parser.error(message)
    flags = parser.parse_args(arguments)
    if (flags.shard is None) != (flags.total_shards is None):
        parser.error("--shard and --total-shards must be given together")
    flags.shard, flags.total_shards = flags.shard or 0, 1 if flags.total_shards is None else flags.total_shards
    if not 0 <= flags.shard < flags.total_shards:
        parser.error("--shard must be at least 0 and less than --total-shards")
    if flags.command != "serve" and (flags.config_check or flags.total_shards > 1):
        parser.error("--config.check, --shard and --total-shards cannot be combined with a command")
    if flags.discover and not flags.config_check:
        parser.error("--discover needs --config.check")
    flags.web_listen_address = flags.web_listen_address or [_DEFAULT_ADDRESS]
    if flags.command == "healthcheck":
        return healthcheck(flags.web_listen_address[0], https=flags.web_config_file is not None)
    if flags.command == "backfill" and flags.last is not None and flags.first > flags.last:
        by_name["backfill"].error("--from must not be after --to")
    if flags.command not in ("probe", "backfill") and not flags.config_check:
        _handle_signals_during_start()
    from exporter.cli import commands  # noqa: PLC0415 # a health check every 30 s must not load the server

    return commands.run(flags)


def _handle_signals_during_start() -> None:
    """Exit on SIGTERM and SIGINT as the running exporter does, and keep SIGHUP for it: it would end the process."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})


class _Parser(argparse.ArgumentParser):
    """A parser without defaults. They are set once, for all commands, so a command keeps the flags before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, argument_default=argparse.SUPPRESS, **options)

    def flag(self, name: str, help_text: str, **options: Any) -> None:
        """Add a flag; `--web.max-requests` is `web_max_requests` in the namespace."""
        dest = name.removeprefix("--").replace(".", "_").replace("-", "_")
        self.add_argument(name, dest=dest, help=help_text, **options)

    @property
    def flags(self) -> Flags:
        """The flags, by their names."""
        return self._option_string_actions


def _parser() -> tuple[_Parser, Mapping[str, _Parser]]:
    """Return the parser of the command line, and those of the commands."""
    parser = _Parser(
        prog="vspark-exporter",
        description="V-Spark call analytics as Prometheus metrics. Without a command: poll V-Spark and serve metrics.",
    )
    parser.set_defaults(
        command="serve",
        target=None,
        raw=False,
        json=False,
        redact=False,
        config_file=Path("config.yaml"),
        config_check=False,
        discover=False,
        config_enable_auto_reload=False,
        config_auto_reload_interval=30.0,
        web_listen_address=None,
        web_config_file=None,
        web_telemetry_path="/metrics",
        web_disable_exporter_metrics=False,
        web_enable_lifecycle=False,
        web_max_requests=40,
        log_level="info",
        log_format="logfmt",
        shard=None,
        total_shards=None,
    )
    parser.add_argument("--version", action="version", version=f"vspark-exporter {__version__}")
    _add_config_file(parser)
    parser.flag("--config.check", "show what would be polled, and exit", action="store_true")
    parser.flag("--discover", "with --config.check: request names and time zones from V-Spark", action="store_true")
    _add_serving(parser)
    number = _checked(_whole_number)
    parser.flag("--shard", "the shard of the targets to poll, from 0", type=number, metavar="N")
    parser.flag("--total-shards", "the number of shards", type=number, metavar="N")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add_command(name: str, summary: str, description: str) -> _Parser:
        command = commands.add_parser(name, help=summary, description=description)
        command.set_defaults(command=name)
        return command

    probe = add_command(
        "probe",
        "request the targets once, and show how the responses are read",
        "Request the targets once; show each request, its response, what is read of it, and by which rule.",
    )
    _add_config_file(probe)
    probe.add_argument(
        "target",
        nargs="?",
        metavar="COMPANY/ORG[/FOLDER]",
        help="only this org or folder, configured or not; or the configured targets of this company or org",
    )
    output = probe.add_mutually_exclusive_group()
    output.add_argument("--raw", action="store_true", help="print only the body of the response, as it came")
    output.add_argument("--json", action="store_true", help="print the findings as JSON")
    probe.flag("--redact", "replace ids and names, so that the output can be published", action="store_true")
    backfill = add_command(
        "backfill",
        "write past days to a file that Prometheus can load",
        "Request past days, and write the final numbers of each as OpenMetrics samples of the day after, for promtool "
        "tsdb create-blocks-from openmetrics. If interrupted, start it again with the same arguments to continue. "
        "docs/history.md describes how to load the file.",
    )
    _add_config_file(backfill)
    add_backfill_flags(backfill, _checked)
    demo = add_command(
        "demo", "run with a simulated V-Spark", "Run a simulated V-Spark and the exporter that polls it."
    )
    _add_serving(demo)
    health = add_command(
        "healthcheck",
        "check whether the exporter on this machine is alive",
        "Request /-/healthy from the exporter that listens on the (first) address; exit with 0 or 1.",
    )
    _add_listen_address(health, "the address that the exporter listens on")
    health.flag(
        "--web.config.file", "the exporter's own, if it has one: HTTPS is tried first", type=Path, metavar="FILE"
    )
    return parser, commands.choices


def _add_config_file(parser: _Parser) -> None:
    parser.flag("--config.file", "the configuration file (default: config.yaml)", type=Path, metavar="FILE")


def _add_listen_address(parser: _Parser, help_text: str) -> None:
    default = f" (default: :{_DEFAULT_ADDRESS.port})"
    address = _checked(ListenAddress.parse)
    parser.flag("--web.listen-address", help_text + default, type=address, action="append", metavar="HOST:PORT")


def _add_serving(parser: _Parser) -> None:
    path, duration, number = _checked(check_metrics_path), _checked(Duration.parse), _checked(_whole_number)
    _add_listen_address(parser, "an address to listen on; may be repeated")
    parser.flag("--web.config.file", "TLS and users, in the format of Prometheus exporters", type=Path, metavar="FILE")
    parser.flag("--web.telemetry-path", "the path of the metrics (default: /metrics)", type=path, metavar="PATH")
    parser.flag(
        "--web.disable-exporter-metrics", "omit the metrics of the process (process_…, python_…)", action="store_true"
    )
    parser.flag(
        "--web.enable-lifecycle", "reload the configuration on POST /-/reload, as on SIGHUP", action="store_true"
    )
    parser.flag(
        "--config.enable-auto-reload", "reload the configuration when its files have changed", action="store_true"
    )
    parser.flag(
        "--config.auto-reload-interval",
        "how often to check for changes (default: 30s)",
        type=duration,
        metavar="DURATION",
    )
    parser.flag(
        "--web.max-requests",
        "the number of concurrent requests; more get status 503; 0: no limit (default: 40)",
        type=number,
        metavar="N",
    )
    for name, what, choices in (
        ("--log.level", "the lowest level to log (default: info)", logs.LEVELS),
        ("--log.format", "the format of log lines (default: logfmt)", logs.FORMATS),
    ):
        parser.flag(name, what, choices=choices, type=_checked(partial(_one_of, choices)))


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"expected a whole number, 0 or more, got {text!r}")
    return int(text)


def _one_of(choices: Sequence[str], text: str) -> str:
    if text not in choices:  # argparse words this differently in each version of Python
        raise ValueError(f"expected one of {', '.join(choices)}, got {text!r}")
    return text


def _checked(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a parser whose ValueError argparse shows with its message."""

    def checked(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked
