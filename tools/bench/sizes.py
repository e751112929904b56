"""The sizes of the sites that are measured."""

from typing import NamedTuple

AGENTS_PER_FOLDER = 500


class Size(NamedTuple):
    """The agents of a site, its poll interval, and the number of polls that are averaged.

    The operating system's CPU clock is coarse, so short polls need many repetitions.
    """

    agents: int
    interval_seconds: float
    polls: int

    @property
    def folders(self) -> int:
        """The number of folders, each with `AGENTS_PER_FOLDER` agents."""
        return self.agents // AGENTS_PER_FOLDER


SIZES = (Size(1_000, 0.2, 40), Size(10_000, 0.5, 20), Size(100_000, 2.5, 8))
