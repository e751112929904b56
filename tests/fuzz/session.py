"""One target under atheris, in this process."""

import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final

from tests.fuzz.targets import Target

INSTRUMENTED: Final[dict[str, tuple[str, ...]]] = {"http": ("exporter", "aiohttp")}
"""The packages whose code guides the fuzzer, by target; by default only the exporter: others take seconds to load."""
LONGEST_CPU_SECONDS: Final = 1.0
"""The limit for one input. It is CPU time, so that a busy machine is not a hang. Instrumented code is slower, so
the limit is stricter than it looks."""
LIMITS: Final = ("-timeout=30", "-rss_limit_mb=2048")
"""Limits of libFuzzer: wall-clock time, for inputs that wait without computing, and memory."""


class HangError(Exception):
    """An input took too much CPU time."""


def timed(check: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Return `check` with a limit on its CPU time; it raises HangError beyond it."""

    def checked(data: bytes) -> None:
        begun = time.process_time()
        check(data)
        if (seconds := time.process_time() - begun) > LONGEST_CPU_SECONDS:
            raise HangError(f"{len(data)} bytes took {seconds:.1f} s of CPU time")

    return checked


def run(name: str, arguments: Sequence[str]) -> None:
    """Run a target with arguments of libFuzzer, which ends the process.

    Inputs that show a bug are written to files; the exit code is then not 0.
    """
    import atheris  # noqa: PLC0415 # has wheels for some platforms only

    with atheris.instrument_imports(include=list(INSTRUMENTED.get(name, ("exporter",)))):
        target = Target(name)
    words = tempfile.NamedTemporaryFile("w", suffix=".dict", encoding="ascii")  # noqa: SIM115 # needed until the process ends
    words.writelines(f'"{_in_hex(word)}"\n' for word in target.words)
    words.flush()
    # libFuzzer uses this as its command when it restarts itself, to merge and to minimize.
    program = f"{shlex.quote(sys.executable)} -m tests.fuzz one {name}"
    argv = [program, *LIMITS, f"-max_len={target.most_bytes}", f"-dict={words.name}", *arguments]
    if (mutate := target.mutate) is None:
        atheris.Setup(argv, timed(target.check))
    else:

        def mutated(data: bytes, most_bytes: int, seed: int) -> bytes:
            # Half of the inputs are mutated as plain bytes, so that some are not JSON, YAML or HTTP at all.
            random = Random(seed)
            new = atheris.Mutate(data, most_bytes)
            if random.random() < 0.5:
                new = mutate(data, most_bytes, random, atheris.Mutate)
            return bytes(new[:most_bytes])

        atheris.Setup(argv, timed(target.check), custom_mutator=mutated)
    atheris.Fuzz()


def try_files(name: str, paths: Sequence[Path]) -> None:
    """Run a target on files without atheris; raise the exception of the first bug, with the file in a note."""
    checked = timed(Target(name).check)
    for path in paths:
        try:
            checked(path.read_bytes())
        except BaseException as error:
            error.add_note(f"by {path}")
            raise


def _in_hex(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())
