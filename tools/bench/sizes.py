"""The sizes that are measured."""

from typing import NamedTuple

AGENTS_PER_FOLDER = 500


class Size(NamedTuple):
    """A site's agents, and how often it is polled so that an operating system's coarse CPU clock can tell."""

    agents: int
    interval_seconds: float
    polls: int

    @property
    def folders(self) -> int:
        """How many folders they are in."""
        return self.agents // AGENTS_PER_FOLDER


SIZES = (Size(1_000, 0.2, 40), Size(10_000, 0.5, 20), Size(100_000, 2.5, 8))
