import argparse

import pytest

from exporter.cli.unknown_flags import unknown

PARSER = argparse.ArgumentParser()
PROBE = argparse.ArgumentParser()
FLAGS = {
    "--help": PARSER.add_argument("--x-help", action="help"),
    "--web.listen-address": PARSER.add_argument("--web.listen-address"),
    "--config.file": PARSER.add_argument("--config.file"),
    "--config.check": PARSER.add_argument("--config.check", action="store_true"),
}
COMMANDS = {
    "probe": {"--raw": PROBE.add_argument("--raw", action="store_true"), "--config.file": FLAGS["--config.file"]},
    "healthcheck": {"--web.listen-address": FLAGS["--web.listen-address"]},
}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", None),
        ("--config.file x --config.check", None),
        ("--config.file=x probe --raw Co/Org", None),
        ("--config.file --web.listen-adress", None),  # argparse says that a value is missing
        ("--config.file", None),
        ("probe -- --raw", None),
        ("probe -", None),
        ("--web.listen-adress :1", "unknown flag --web.listen-adress; did you mean --web.listen-address?"),
        ("--web.listen-adress=:1", "unknown flag --web.listen-adress; did you mean --web.listen-address?"),
        ("--config.check --confg.file x", "unknown flag --confg.file; did you mean --config.file?"),
        ("--verbose", "unknown flag --verbose"),
        ("-v", "unknown flag -v"),
        ("probe --row", "unknown flag --row; did you mean --raw?"),
        ("probe --config.check", "probe does not take the flag --config.check"),
        ("--raw probe", "unknown flag --raw"),
        ("prob", "unknown command 'prob'; did you mean probe?"),
        ("serve", "unknown command 'serve'; expected one of probe, healthcheck, or no command to serve"),
    ],
)
def test_the_message(arguments: str, message: str | None) -> None:
    assert unknown(arguments.split(), FLAGS, COMMANDS) == message
