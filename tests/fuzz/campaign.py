"""A run of all targets, each in a process of its own. It keeps new inputs, and prints how to reproduce a bug."""

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).parent / "corpus"
"""The inputs that are tried first, by target; part of the repository."""
FOUND: Final = Path(__file__).parent / "found"
"""The findings on this machine, by target: `new/` has inputs that reach new code, the rest are bugs."""

_INTERRUPTED: Final = 72
"""The exit code of libFuzzer after SIGINT."""


def run(names: Sequence[str], seconds: float, jobs: int, found: Path = FOUND) -> int:
    """Run targets for `seconds` in total, `jobs` at a time; return the exit code, 1 if a bug was found.

    Each target gets the same time, and starts with the corpus and the earlier findings.
    """
    each = max(1, round(seconds * min(jobs, len(names)) / len(names)))
    print(f"{len(names)} targets, {each} s each, {jobs} at a time; findings go to {found}", flush=True)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            return int(any(list(pool.map(lambda name: _run_one(name, each, found / name), names))))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)  # the running ones got the signal, too
            raise


def _run_one(name: str, seconds: int, folder: Path) -> bool:
    """Run a target and print the result; return whether it found a bug."""
    new = folder / "new"
    new.mkdir(parents=True, exist_ok=True)
    known = set(folder.iterdir())
    log = folder / "log.txt"
    command = [sys.executable, "-m", "tests.fuzz", "one", name, str(new), str(CORPUS / name)]
    command += [f"-max_total_time={seconds}", f"-artifact_prefix={folder}/", "-print_final_stats=1"]
    begun = time.monotonic()
    with log.open("wb") as output:
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode  # noqa: S603 # ours
    text = log.read_text("utf-8", "replace")
    stat = re.search(r"^stat::number_of_executed_units: *([0-9]+)$", text, re.MULTILINE)
    tried = stat[1] if stat else "some"
    is_bug = code not in (0, _INTERRUPTED)
    print(f"{name}: {tried} inputs in {time.monotonic() - begun:.0f} s, {'A BUG' if is_bug else 'no bug'}", flush=True)
    if is_bug:
        print(_report(text), flush=True)
        for path in sorted(set(folder.iterdir()) - known - {log}):
            print(f"  {path}\n  again: python -m tests.fuzz again {name} {path}", flush=True)
    return is_bug


def _report(log: str) -> str:
    """Return the part of libFuzzer's output that describes the bug."""
    _, _, traceback = log.partition("=== Uncaught Python exception: ===")
    return "\n".join((traceback or log[-4000:]).strip().splitlines()[-60:])
