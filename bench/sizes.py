"""The sizes that are measured."""

AGENTS_PER_FOLDER = 500
SIZES = (1_000, 10_000, 100_000)
