"""The worker process of `mapping`: `python -m exporter.vspark.mapping_worker`.

Standard input has the program in one frame, then for each body a frame with its variables and one with the body. A
frame is a length of four bytes, big-endian, and so many bytes. Each reply is one of RESULT, NOT_JSON and FAILED, and a
frame.
"""

import json
import math
import os
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO, Final

import msgspec

from exporter.errors import DecodeError
from exporter.stats.raw_json import check_text

MEMORY_LIMIT_MIB: Final = 512
SIZE: Final = "!I"
SIZE_BYTES: Final = struct.calcsize(SIZE)
RESULT: Final = b"+"
NOT_JSON: Final = b"j"
FAILED: Final = b"-"

VARIABLES: Final = ("company", "org", "folder", "day")
_GRACE_SECONDS: Final = 5
"""After the time of a body, in which the exporter kills this process; it may have ended without doing so."""


def framed(data: bytes) -> bytes:
    """Return `data` with its length in front."""
    return struct.pack(SIZE, len(data)) + data


def wrapped(program: str) -> str:
    """Return a program that runs `program` on `.body` with its variables set, and lists its first two results.

    The variables are part of the input because jq binds named arguments when it compiles.
    """
    bindings = " | ".join(f".{name} as ${name}" for name in VARIABLES)
    return f"{bindings} | .body | [limit(2; (\n{program}\n))]"


def main() -> None:
    """Map bodies until standard input ends."""
    import jq  # noqa: PLC0415 # The exporter's own process imports this module too, and does not need jq.

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_MIB * 2**20,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ.clear()  # The program can read it, as `env`.
    source, target = sys.stdin.buffer, sys.stdout.buffer
    program = jq.compile(wrapped((_frame(source) or b"").decode()))
    while (head := _frame(source)) is not None and (body := _frame(source)) is not None:
        given = json.loads(head)
        signal.alarm(math.ceil(given["timeout_seconds"]) + _GRACE_SECONDS)
        kind, payload = _mapped(program, given["variables"], body)
        signal.alarm(0)
        target.write(kind + framed(payload))
        target.flush()


def _mapped(program: Any, variables: dict[str, str | None], body: bytes) -> tuple[bytes, bytes]:
    try:
        text = _text_of(body)
    except DecodeError as error:
        return NOT_JSON, error.message.encode()
    except msgspec.DecodeError as error:
        return NOT_JSON, str(error).encode()
    bound = json.dumps(variables)[:-1].encode()
    try:
        results = program.input_text((bound + b', "body":' + text + b"}").decode()).text()
    except ValueError as error:
        return FAILED, f"the program failed: {error}".encode()
    found = msgspec.json.decode(results, type=list[msgspec.Raw]) if results else []
    if len(found) == 1:
        return RESULT, bytes(found[0])
    return FAILED, b"the program returned several results" if found else b"the program returned no result"


def _text_of(body: bytes) -> bytes:
    """Return the JSON in `body`, by the rules of the parser: jq replaces what it cannot decode, and goes on."""
    steps = check_text(body)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            text = bytes(end.value)
            msgspec.json.decode(text, type=msgspec.Raw)
            return text


def _frame(source: BinaryIO) -> bytes | None:
    size = source.read(SIZE_BYTES)
    return source.read(*struct.unpack(SIZE, size)) if len(size) == SIZE_BYTES else None


if __name__ == "__main__":
    main()
