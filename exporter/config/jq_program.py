"""The jq program of `stats_jq`: how it is checked, and how it is run with its variables."""

import re
from typing import Final

VARIABLES: Final = ("company", "org", "folder", "day")

_PLACE: Final = re.compile(r" at <top-level>, line (\d+), column (\d+):$")
_MODULES: Final = re.compile(r"syntax error, unexpected (?:import|include|module)\b")


def check_program(program: str) -> None:
    """Accept a jq program that is one expression, with definitions in front of it or without; empty: no program.

    Raises ValueError with jq's message in one line.
    """
    if not program:
        return
    import jq  # noqa: PLC0415 # Most configurations have no program, and then jq is never loaded.

    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in program):
        raise ValueError("contains a NUL or a lone surrogate")
    problem = ""
    try:
        jq.compile(wrapped(program))
    except ValueError as error:
        problem = str(error)
    if _MODULES.search(problem):  # Found here, because jq would look for the module's file otherwise.
        raise ValueError("import, include and module are not available")
    try:
        jq.compile(program, args=dict.fromkeys(VARIABLES))
    except ValueError as error:
        problem = str(error)  # It is about the program as it was written.
    if problem:
        raise ValueError(f"is not a jq program: {_in_one_line(problem)}")


def wrapped(program: str) -> str:
    """Return a program that runs `program` on `.body` with its variables set, and lists its first two results as JSON.

    The variables are part of the input because jq binds named arguments when it compiles. The results are texts because
    the package makes floats of all other numbers, while jq itself keeps the digits of those that it does not compute.
    """
    bindings = " | ".join(f".{name} as ${name}" for name in VARIABLES)
    return f"{bindings} | .body | [limit(2; (\n{program}\n) | tojson)]"


def _in_one_line(message: str) -> str:
    """Return the first of jq's errors without the lines of the program that it shows."""
    first = message.partition("\n")[0].removeprefix("jq: error: ")
    return _PLACE.sub(r" (line \1 of the program, column \2)", first)
