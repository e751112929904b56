"""`python -m exporter.simulator`: run the simulated V-Spark of the demo until SIGINT or SIGTERM."""

import argparse
import asyncio
import signal
import sys

from exporter.simulator.server import Simulator
from exporter.simulator.shapes import Shape
from exporter.simulator.site import demo_site


def main() -> int:
    """Serve until a signal stops it; return the exit code: 0, or 1 if it cannot listen on the address."""
    parser = argparse.ArgumentParser(prog="python -m exporter.simulator", description="A simulated V-Spark.")
    parser.add_argument(
        "--listen",
        type=_address,
        default="127.0.0.1:3000",
        metavar="HOST:PORT",
        help="where to listen; port 0 is any free port",
    )
    parser.add_argument(
        "--shape", type=Shape, default=Shape.LIST, choices=list(Shape), help="the shape of the /stats responses"
    )
    parser.add_argument("--seed", type=int, default=1, help="the seed of all numbers")
    options = parser.parse_args()
    host, port = options.listen
    try:
        asyncio.run(_serve(Simulator(demo_site(options.seed), shape=options.shape, host=host, port=port)))
    except OSError as error:
        sys.stderr.write(f"cannot listen: {error.strerror or error}\n")
        return 1
    return 0


async def _serve(simulator: Simulator) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with simulator:
        lines = [f"listening on {simulator.url}", f"root token {simulator.site.root_token}"]
        lines += [f"token of {company.name} {company.token}" for company in simulator.site.companies]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        await stopped.wait()


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


if __name__ == "__main__":
    sys.exit(main())
