"""A parser of logfmt."""

import json
import re

PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "=\\]*)(?: |$)')


def parse(line: str) -> dict[str, str]:
    """Return the fields of a line of logfmt."""
    fields, end = {}, 0
    while end < len(line):
        match = PAIR.match(line, end)
        assert match is not None, line
        end = match.end()
        fields[match[1]] = json.loads(match[2]) if match[2].startswith('"') else match[2]
    return fields
