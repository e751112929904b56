"""Safe output of text from elsewhere: from V-Spark, a configuration file, a command line."""


def printable(text: str) -> str:
    r"""Return `text` with every character that is not printable as its Python escape: `\x1b`, `\u202e`.

    So no text moves a terminal's cursor, changes its colours, reverses the text beside it, or ends the line.
    """
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
