"""Messages about flags and commands that do not exist. argparse takes the value of an unknown flag for the command."""

import argparse
import difflib
from collections.abc import Iterable, Mapping, Sequence

Flags = Mapping[str, argparse.Action]
"""The flags of a command, by their names."""


def unknown(arguments: Sequence[str], flags: Flags, commands: Mapping[str, Flags]) -> str | None:
    """Return a message about the first of the `arguments` that is unknown; None if argparse can read them.

    `flags` are those before a command.
    """
    command, known = "", flags
    rest = iter(arguments)
    for argument in rest:
        name, equals, _ = argument.partition("=")
        if argument == "--":
            return None
        if argument.startswith("-") and len(argument) > 1:
            if name not in known:
                return _unknown_flag(name, command, known, flags)
            if known[name].nargs != 0 and not equals:
                next(rest, None)  # its value
        elif not command:
            if argument not in commands:
                return f"unknown command {argument!r}{_suggestion(argument, commands) or _list(commands)}"
            command, known = argument, commands[argument]
    return None


def _unknown_flag(name: str, command: str, known: Flags, flags: Flags) -> str:
    if name in flags:
        return f"{command} does not take the flag {name}"
    return f"unknown flag {name}{_suggestion(name, known)}"


def _suggestion(name: str, known: Iterable[str]) -> str:
    return "".join(f"; did you mean {each}?" for each in difflib.get_close_matches(name, known, n=1))


def _list(commands: Iterable[str]) -> str:
    return f"; expected one of {', '.join(commands)}, or no command to serve"
