"""Text for a terminal that is not ours: it comes from V-Spark, from a configuration file, from a command line."""


def printable(text: str) -> str:
    r"""Show what would move the cursor, colour or turn around what stands beside it, or end the line, as what it is.

    Such characters come out as Python writes them in a string, so that nothing is left to escape: `\x1b`, `\u202e`.
    """
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
