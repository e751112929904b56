"""`python -m tests.fuzz`; `make fuzz` is `python -m tests.fuzz run`. See docs/development/testing.md."""

import argparse
import sys
from pathlib import Path

from tests.fuzz import campaign, session
from tests.fuzz.targets import NAMES


def main() -> int:
    """Return the exit code: 1 if a bug was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz what reads bytes from outside.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run targets, each for the same time")
    run.add_argument("--seconds", type=float, default=4 * 3600.0, help="total time (default: 4 hours)")
    run.add_argument("--jobs", type=int, default=2, help="number of targets that run at the same time (default: 2)")
    run.add_argument("names", nargs="*", metavar="TARGET", help=f"one of {', '.join(NAMES)} (default: all)")
    one = commands.add_parser("one", help="run one target in this process, with arguments of libFuzzer")
    one.add_argument("name", metavar="TARGET", choices=NAMES)
    one.add_argument("arguments", nargs=argparse.REMAINDER, help="files to try, or folders and flags")
    again = commands.add_parser("again", help="try inputs again, without atheris")
    again.add_argument("name", metavar="TARGET", choices=NAMES)
    again.add_argument("paths", nargs="*", type=Path, help="files (default: the target's corpus)")
    arguments = parser.parse_args()
    match arguments.command:
        case "one":
            session.run(arguments.name, arguments.arguments)
        case "again":
            paths = arguments.paths or sorted((campaign.CORPUS / arguments.name).iterdir())
            session.try_files(arguments.name, paths)
            print(f"{arguments.name}: {len(paths)} inputs, no bug")
        case "run":
            if unknown := set(arguments.names) - set(NAMES):
                parser.error(f"unknown target: {', '.join(sorted(unknown))}")
            return campaign.run(arguments.names or NAMES, arguments.seconds, arguments.jobs)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
