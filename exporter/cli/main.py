"""The command line: flags, subcommands, exit codes."""

import argparse
import io
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from exporter import __version__
from exporter.cli.healthcheck import healthcheck
from exporter.config.units import Duration
from exporter.runtime import logs
from exporter.web.endpoints import ListenAddress, check_metrics_path

_DEFAULT_ADDRESS: Final = ListenAddress(None, 10219)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code is 0, 1 where something failed, 2 where flags or configuration are wrong."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # names may hold what the terminal's encoding does not
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = _parser()
    flags = parser.parse_args(arguments)
    flags.listen_addresses = flags.listen_addresses or [_DEFAULT_ADDRESS]
    if (flags.shard is None) != (flags.total_shards is None):
        parser.error("--shard and --total-shards go together")
    flags.shard, flags.total_shards = flags.shard or 0, 1 if flags.total_shards is None else flags.total_shards
    if not 0 <= flags.shard < flags.total_shards:
        parser.error("--shard has to be at least 0 and less than --total-shards")
    if flags.command != "serve" and (flags.config_check or flags.total_shards > 1):
        parser.error("--config.check and the shards go without a command")
    if flags.command == "healthcheck":
        return healthcheck(flags.listen_addresses[0], https=flags.web_config_file is not None)
    if flags.command != "probe" and not flags.config_check:
        _obey_while_it_starts()
    from exporter.cli import commands  # noqa: PLC0415 # a health check every half a minute is not to load the server

    return commands.run(flags)


def _obey_while_it_starts() -> None:
    """End when told to, as the running exporter does; a SIGHUP waits for it, as it would end the process."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse takes the value of a flag that it does not know for the command.
        hint = "; or is the flag before it misspelt?" if message.startswith("argument COMMAND: invalid choice") else ""
        super().error(f"{message}{hint}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="vspark-exporter",
        description="V-Spark call analytics as Prometheus metrics. Without a command it polls and serves.",
        allow_abbrev=False,
    )
    parser.set_defaults(command="serve")
    parser.add_argument("--version", action="version", version=f"vspark-exporter {__version__}")
    _add_config_file(parser, default=Path("config.yaml"))
    parser.add_argument(
        "--config.check", dest="config_check", action="store_true", help="say what would be polled, and exit"
    )
    _add_serving(parser)
    parser.add_argument("--shard", type=int, metavar="N", help="which share of the targets to poll, from 0")
    parser.add_argument("--total-shards", type=int, metavar="N", help="how many shares there are")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    probe_parser = commands.add_parser(
        "probe",
        help="ask targets once and show what is read of their answers",
        description="Ask targets once and show the request, the answer, and what is read of it by which rule.",
        allow_abbrev=False,
    )
    probe_parser.set_defaults(command="probe")
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
    demo_parser.set_defaults(command="demo")
    _add_serving(demo_parser, suppress=True)
    healthcheck_parser = commands.add_parser(
        "healthcheck",
        help="ask the exporter on this machine whether it is alive",
        description="Ask /-/healthy of the exporter that listens on the (first) address; exit with 0 or 1.",
        allow_abbrev=False,
    )
    healthcheck_parser.set_defaults(command="healthcheck")
    _add_listen_address(healthcheck_parser, "where the exporter listens", default=argparse.SUPPRESS)
    _add_web_config_file(
        healthcheck_parser, "given as to the exporter, it is asked by https first", default=argparse.SUPPRESS
    )
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


def _add_listen_address(parser: argparse.ArgumentParser, help_text: str, *, default: Any) -> None:
    parser.add_argument(
        "--web.listen-address",
        dest="listen_addresses",
        type=_checked(ListenAddress.parse),
        action="append",
        default=default,
        metavar="HOST:PORT",
        help=f"{help_text} (default: :{_DEFAULT_ADDRESS.port})",
    )


def _add_web_config_file(parser: argparse.ArgumentParser, help_text: str, *, default: Any) -> None:
    parser.add_argument(
        "--web.config.file", dest="web_config_file", type=Path, default=default, metavar="FILE", help=help_text
    )


def _add_serving(parser: argparse.ArgumentParser, *, suppress: bool = False) -> None:
    def add(name: str, dest: str, help_text: str, *, default: Any, **more: Any) -> None:
        parser.add_argument(name, dest=dest, default=argparse.SUPPRESS if suppress else default, help=help_text, **more)

    _add_listen_address(parser, "where to listen, may be repeated", default=argparse.SUPPRESS if suppress else None)
    _add_web_config_file(
        parser, "TLS and users, in the format of Prometheus' exporters", default=argparse.SUPPRESS if suppress else None
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
        "--web.enable-lifecycle",
        "lifecycle",
        "let POST /-/reload load the configuration again, as SIGHUP does",
        default=False,
        action="store_true",
    )
    add(
        "--config.enable-auto-reload",
        "auto_reload",
        "load the configuration again when its content has changed",
        default=False,
        action="store_true",
    )
    add(
        "--config.auto-reload-interval",
        "auto_reload_seconds",
        "how often to look for that (default: 30s)",
        default=30.0,
        type=_checked(Duration.parse),
        metavar="DURATION",
    )
    add(
        "--web.max-requests",
        "max_requests",
        "how many requests are answered at a time, beyond it with 503; 0: no limit (default: 40)",
        default=40,
        type=_checked(_whole_number),
        metavar="N",
    )
    add(
        "--log.level",
        "log_level",
        "write lines of this level and above (default: info)",
        default="info",
        choices=logs.LEVELS,
    )
    add("--log.format", "log_format", "how a line looks (default: logfmt)", default="logfmt", choices=logs.FORMATS)


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{text!r} is no whole number, expected one such as 40")
    return int(text)


def _checked(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse show the message of a ValueError."""

    def checked(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked
