"""All targets, each in a process of its own: new inputs are kept, and a bug is told with how to see it again."""

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).parent / "corpus"
"""Inputs that are tried first, by target; in the repository."""
FOUND: Final = Path(__file__).parent / "found"
"""What this machine has found, by target: `new/` for inputs that reach what none before them did, the rest are bugs."""

_INTERRUPTED: Final = 72
"""libFuzzer's exit code after a SIGINT."""


def run(names: Sequence[str], seconds: float, jobs: int, found: Path = FOUND) -> int:
    """Run targets for `seconds` in all, `jobs` at a time; give the exit code, 1 where something was found.

    Each gets the same time, and begins with the corpus and with what was found before.
    """
    each = max(1, round(seconds * min(jobs, len(names)) / len(names)))
    print(f"{len(names)} targets, {each} s each, {jobs} at a time; what is found goes to {found}", flush=True)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            return int(any(list(pool.map(lambda name: _run_one(name, each, found / name), names))))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)  # those under way have been interrupted with us
            raise


def _run_one(name: str, seconds: int, folder: Path) -> bool:
    """Run a target and tell of it; give whether it has found a bug."""
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
    print(f"{name}: {tried} inputs in {time.monotonic() - begun:.0f} s, {'A BUG' if is_bug else 'nothing'}", flush=True)
    if is_bug:
        print(_report(text), flush=True)
        for path in sorted(set(folder.iterdir()) - known - {log}):
            print(f"  {path}\n  again: python -m tests.fuzz again {name} {path}", flush=True)
    return is_bug


def _report(log: str) -> str:
    """Give the part of libFuzzer's output that tells of the bug."""
    _, _, told = log.partition("=== Uncaught Python exception: ===")
    return "\n".join((told or log[-4000:]).strip().splitlines()[-60:])
