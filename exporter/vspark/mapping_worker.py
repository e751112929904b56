"""The worker process of `mapping`: `python -m exporter.vspark.mapping_worker`.

Standard input has the program in one frame, then for each body a frame with its variables and one with the body. A
frame is a length of four bytes, big-endian, and so many bytes. Each reply is one of RESULT, REJECTED and FAILED, and a
frame; the first one is a RESULT without content, once the program is compiled.
"""

import json
import math
import os
import resource
import signal
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
from msgspec import Raw

from exporter.config.jq_program import wrapped
from exporter.errors import DecodeError
from exporter.runtime.steps import finished
from exporter.stats.json_path import unrecognized
from exporter.stats.raw_json import check_text

MEMORY_LIMIT_MIB: Final = 512
SIZE: Final = "!I"
SIZE_BYTES: Final = struct.calcsize(SIZE)
RESULT: Final = b"+"
REJECTED: Final = b"j"
"""The body is not JSON, or has a duplicated key; the frame has the arguments of a DecodeError."""
FAILED: Final = b"-"
"""The program failed; the frame has a message."""

_GRACE_SECONDS: Final = 2
"""After the time of a body, in which the exporter kills this process; it may have ended without doing so."""
_LONGEST_MESSAGE: Final = 500
_LARGEST_NUMBER: Final = "1.7976931348623157e+308"
"""What jq writes for an infinite number, so that it would pass for a number."""


def size_of(data: bytes) -> bytes:
    """Return the length of `data` that goes before it in a frame."""
    return struct.pack(SIZE, len(data))


def main() -> None:
    """Map bodies until standard input ends."""
    import jq  # noqa: PLC0415 # The exporter's own process imports this module too, and does not need jq.

    # systemd sends it to every process of a service, but the exporter ends its workers itself.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_MIB * 2**20,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # If memory is short, this process should be killed, and not the exporter.
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.environ.clear()  # The program can read it, as `env`.
    source, target = sys.stdin.buffer, sys.stdout.buffer
    program = jq.compile(wrapped((_frame(source) or b"").decode()))
    _reply(target, RESULT, b"")
    while (head := _frame(source)) is not None and (body := _frame(source)) is not None:
        given = json.loads(head)
        signal.alarm(math.ceil(given["timeout_seconds"]) + _GRACE_SECONDS)
        kind, payload = _mapped(program, given["variables"], body)
        signal.alarm(0)
        del body
        _reply(target, kind, payload)


def _mapped(program: Any, variables: dict[str, str | None], body: bytes) -> tuple[bytes, bytes]:
    try:
        text = _checked(body)
    except DecodeError as error:
        return REJECTED, json.dumps((error.reason, error.path, error.message)).encode()
    try:
        outputs = program.input_text(f'{json.dumps(variables)[:-1]}, "body":{text}}}').all()
    except ValueError as error:
        return FAILED, _cut(f"the program failed: {error}").encode()
    results: list[str] = outputs[0] if outputs else []  # `halt` ends it without an output
    if len(results) != 1:
        return FAILED, b"the program returned several results" if results else b"the program returned no result"
    (result,) = results
    if _LARGEST_NUMBER in result:
        return FAILED, b"the result of the program has an infinite number"
    return RESULT, result.encode()


def _checked(body: bytes) -> str:
    """Return the JSON in `body`, which is checked as the parser would check it.

    jq replaces what is not UTF-8 and keeps the last of two equal keys, and the rules could no longer reject either.
    Raises DecodeError.
    """
    text = bytes(finished(check_text(body)))
    try:
        msgspec.json.decode(text, type=Raw)
        checked = text.decode()
        json.loads(checked, object_pairs_hook=_reject_duplicates, parse_int=bool, parse_float=bool)
    except RecursionError:
        raise unrecognized("$", "nested too deeply") from None
    except msgspec.DecodeError as error:
        raise DecodeError("not_json", "$", str(error)) from None
    return checked


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> None:
    """Raise DecodeError if a key of an object is duplicated; nothing of the object is kept."""
    if len({key for key, _ in pairs}) < len(pairs):
        raise unrecognized("$", "a key of an object is duplicated, so its value is ambiguous")


def _cut(message: str) -> str:
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}…"


def _frame(source: BinaryIO) -> bytes | None:
    """Return the content of the next frame; None if standard input has ended."""
    size = source.read(SIZE_BYTES)
    if len(size) < SIZE_BYTES:
        return None
    (length,) = struct.unpack(SIZE, size)
    content = source.read(length)
    return content if len(content) == length else None


def _reply(target: BinaryIO, kind: bytes, payload: bytes) -> None:
    target.write(kind + size_of(payload))
    target.write(payload)
    target.flush()


if __name__ == "__main__":
    main()
