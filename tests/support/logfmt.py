"""logfmt, read as its readers do."""

import json
import re

PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "=\\]*)(?: |$)')


def parse(line: str) -> dict[str, str]:
    """Read logfmt as its readers do."""
    fields, end = {}, 0
    while end < len(line):
        match = PAIR.match(line, end)
        assert match is not None, line
        end = match.end()
        fields[match[1]] = json.loads(match[2]) if match[2].startswith('"') else match[2]
    return fields
