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
"""The packages whose code leads the fuzzer, where it is not the exporter alone: it costs seconds at the start."""
LONGEST_CPU_SECONDS: Final = 1.0
"""What an input may take. CPU time, so that a busy machine is not a hang; instrumented code takes longer than it does
otherwise, so this is stricter than it reads."""
LIMITS: Final = ("-timeout=30", "-rss_limit_mb=2048")
"""Those of libFuzzer: what waits without computing, and memory."""


class HangError(Exception):
    """An input took too long."""


def timed(check: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Give `check` with a limit on its CPU time; beyond it, HangError."""

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
    words = tempfile.NamedTemporaryFile("w", suffix=".dict", encoding="ascii")  # noqa: SIM115 # lives as long as we do
    words.writelines(f'"{_in_hex(word)}"\n' for word in target.words)
    words.flush()
    # libFuzzer puts it before its arguments where it starts itself again, to merge and to minimize.
    program = f"{shlex.quote(sys.executable)} -m tests.fuzz one {name}"
    argv = [program, *LIMITS, f"-max_len={target.most_bytes}", f"-dict={words.name}", *arguments]
    if (mutate := target.mutate) is None:
        atheris.Setup(argv, timed(target.check))
    else:

        def mutated(data: bytes, most_bytes: int, seed: int) -> bytes:
            # Half of the time as it comes: what is no JSON, YAML or HTTP is to be tried, too.
            random = Random(seed)
            new = atheris.Mutate(data, most_bytes)
            if random.random() < 0.5:
                new = mutate(data, most_bytes, random, atheris.Mutate)
            return bytes(new[:most_bytes])

        atheris.Setup(argv, timed(target.check), custom_mutator=mutated)
    atheris.Fuzz()


def try_files(name: str, paths: Sequence[Path]) -> None:
    """Run files through a target without atheris; the first bug's exception leaves here, with the file in a note."""
    checked = timed(Target(name).check)
    for path in paths:
        try:
            checked(path.read_bytes())
        except BaseException as error:
            error.add_note(f"by {path}")
            raise


def _in_hex(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())
