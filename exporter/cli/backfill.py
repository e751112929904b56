"""The command `backfill`: past days of V-Spark as a file of samples for Prometheus. docs/history.md describes it."""

import asyncio
import signal
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self, TextIO

from exporter.backfill.history import History, Outcome, Wanted
from exporter.backfill.journal import JournalError
from exporter.backfill.reader import OutageError
from exporter.cli.backfill_progress import make_progress
from exporter.cli.one_discovery import discover_once, failures_in, is_unlisted
from exporter.cli.probe_targets import UnknownTargetError, select_targets
from exporter.config.discovered import NOTHING
from exporter.config.schema import Config
from exporter.config.targets import Target, make_targets
from exporter.errors import PollError
from exporter.polling.manager import make_bodies
from exporter.runtime.clock import Clock, SystemClock
from exporter.runtime.terminal import printable
from exporter.vspark.client import Client
from exporter.vspark.discovery import Outcome as Discovery

_FAILED: Final = 1
_WRONG: Final = 2
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_EXIT_OF_SIGNAL: Final = 128
"""Added to a signal's number: what a shell reports for a program that it has ended."""


class Interruption:
    """Cancels the task that enters it on SIGINT and SIGTERM; `exit_code` is None until then."""

    def __init__(self) -> None:
        self.exit_code: int | None = None

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._interrupt, number, task)
        return self

    def __exit__(self, *_: object) -> None:
        for number in _SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _interrupt(self, number: signal.Signals, task: asyncio.Task[Any] | None) -> None:
        self.exit_code = _EXIT_OF_SIGNAL + number
        if task is not None:
            task.cancel()


async def backfill(config: Config, wanted: Wanted, out: TextIO, errors: TextIO, clock: Clock | None = None) -> int:
    """Write the file that is wanted, and return the exit code: 0; 1 after a failure; 2 if an argument is wrong.

    After a signal it is 128 and the signal's number. `clock` is the system's by default.
    """
    with Interruption() as interruption:
        try:
            return await _run(config, wanted, out, errors, clock or SystemClock())
        except asyncio.CancelledError:
            if interruption.exit_code is None:
                raise
            errors.write(f"Interrupted. {_continue(wanted)}\n" if wanted.partial.exists() else "Interrupted.\n")
            return interruption.exit_code
        except OutageError as error:
            errors.write(f"{printable(f'V-Spark does not respond any more: {error}')}\n{_continue(wanted)}\n")
            return _FAILED
        except (UnknownTargetError, JournalError) as error:
            errors.write(f"{error}\n")
            return _WRONG
        except (OSError, sqlite3.Error) as error:
            errors.write(f"{printable(f'cannot write {wanted.output} or {wanted.partial}: {error}')}\n")
            return _FAILED


async def _run(config: Config, wanted: Wanted, out: TextIO, errors: TextIO, clock: Clock) -> int:
    if wanted.output.is_dir() or not wanted.output.parent.is_dir():
        problem = "is a directory" if wanted.output.is_dir() else "cannot be created: its directory does not exist"
        errors.write(f"--output {printable(str(wanted.output))} {problem}\n")
        return _WRONG
    if wanted.output.exists() and not wanted.partial.exists():  # else it is what this backfill has written so far
        errors.write(f"{printable(str(wanted.output))} exists already: move it away, or name another file\n")
        return _WRONG
    discovery = await discover_once(config)
    known = make_targets(config, discovery.discovered if discovery else NOTHING)
    undiscovered = failures_in(discovery, wanted.names)
    try:
        targets = _selected(config, known, wanted.names)
    except UnknownTargetError as error:
        if not undiscovered:
            raise
        errors.writelines(f"{printable(line)}\n" for line in _not_discovered(undiscovered))
        errors.write(f"{error}\n")
        return _FAILED
    try:
        history = History(config, wanted, clock)
    except (OSError, sqlite3.Error) as error:
        errors.write(f"{printable(f'cannot write {wanted.partial}: {error}')}\n")
        return _WRONG
    progress = make_progress(errors, clock)
    try:
        if history.continued:
            errors.write(f"{printable(f'Continuing with what has been read in {wanted.partial}.')}\n")
        async with _client(config) as client:
            outcome = await history.run(targets, client, progress, complete=not undiscovered)
    finally:
        progress.close()
    said = {failure.message for failure in outcome.failures}
    news = {company: failure for company, failure in undiscovered.items() if str(failure) not in said}
    problems = [*_not_discovered(news), *_problems(config, discovery, outcome)]
    if not targets and not undiscovered:
        problems.append("There is no target: neither the configuration nor V-Spark names an org.")
    elif targets and not outcome.written:
        problems.append(f"There is nothing to write, so {wanted.output} is not written.")
    if undiscovered or outcome.failures:
        problems.append(_continue(wanted) if outcome.written else _again(f"delete {wanted.partial}"))
    errors.writelines(f"{printable(line)}\n" for line in problems)
    if outcome.written:
        folders, samples = outcome.written
        out.write(f"{printable(f'{wanted.output}: {samples} samples of {folders} folders')}\n")
    return _FAILED if undiscovered or outcome.rejected or outcome.failures or not outcome.written else 0


def _client(config: Config) -> Client:
    return Client(
        config.vspark,
        concurrency=config.poll.concurrency,
        observe=lambda _code, _seconds: None,
        bodies=make_bodies(config),
    )


def _selected(config: Config, known: Sequence[Target], names: Sequence[str]) -> Sequence[Target]:
    """Return the targets of `names`, each series once: a folder of an org that is read as a whole is left out.

    Raises UnknownTargetError.
    """
    chosen = dict.fromkeys(target for name in names or (None,) for target in select_targets(config, known, name))
    whole = {(target.company, target.org) for target in chosen if target.folder is None}
    return [target for target in chosen if target.folder is None or (target.company, target.org) not in whole]


def _not_discovered(failures: Mapping[str, PollError]) -> Iterator[str]:
    for company, failure in failures.items():
        yield f"discovery of {company or 'the list of companies'} failed ({failure.reason}): {failure}"


def _problems(config: Config, discovery: Discovery | None, outcome: Outcome) -> Iterator[str]:
    for rejected in outcome.rejected:
        company, _, org = rejected.org.partition("/")
        unlisted = is_unlisted(config, discovery, company, org)
        reason = "V-Spark does not list this org" if unlisted else rejected.reason
        yield f"{rejected.org}: {rejected.days}: not requested: {reason}"
    for failure in outcome.failures:
        yield f"{failure.target}: {failure.days}: {failure.reason}: {failure.message}"


def _continue(wanted: Wanted) -> str:
    return f"{wanted.partial} has what has been read. {_again('delete it')}"


def _again(otherwise: str) -> str:
    return f"Start again with the same arguments to request the rest, or {otherwise}."
