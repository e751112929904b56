"""The bodies that the program of `stats_jq` makes of responses; a response that has not changed is not mapped again."""

from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from exporter.config.targets import Target
from exporter.config.tokens import MOST_MASKED_CHARACTERS, Token
from exporter.errors import MappingError
from exporter.runtime.digest import digest_of
from exporter.runtime.steps import Steps, paced

LEAST_SECONDS: Final = 1.0
"""A program has at least this long, even if the request took all of the poll's time."""
_SEARCHED_CHARACTERS: Final = 2**15


class Mapper(Protocol):
    """Runs a program on bodies, as JqMapper does."""

    async def map(self, body: bytes, variables: Mapping[str, str | None], *, timeout_seconds: float) -> bytes:
        """Return what the program makes of a body; raises MappingError and DecodeError."""
        ...

    async def close(self) -> None:
        """End what the program runs in."""
        ...


class _Mapped(NamedTuple):
    """What became of a target's last response to a request for `day`; `digest` is that of the response."""

    day: date | None
    digest: bytes
    body: bytes


class MappedBodies:
    """Maps the bodies of responses with `mapper`, and remembers the last one of each target."""

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper
        self._last: WeakKeyDictionary[Target, _Mapped] = WeakKeyDictionary()

    async def mapped(self, target: Target, day: date | None, body: bytes, token: Token, seconds_left: float) -> bytes:
        """Return what the program makes of the response to a request with `token`, of which `seconds_left` are left.

        If the response is the same as the last one, so is the object that is returned. Raises MappingError, whose
        message never contains a part of the token, and DecodeError.
        """
        digest = await paced(digest_of(body))
        last = self._last.get(target)
        if last is not None and (last.day, last.digest) == (day, digest):
            return last.body
        variables = {
            "company": target.company,
            "org": target.org,
            "folder": target.folder,
            "day": day.isoformat() if day else None,
        }
        try:
            mapped = await self._mapper.map(body, variables, timeout_seconds=max(seconds_left, LEAST_SECONDS))
        except MappingError as error:
            failure = error
        else:
            self._last[target] = _Mapped(day, digest, mapped)
            return mapped
        if await paced(_contains_token(body, token)):
            # jq and the program may quote a part of a value, and half a token would not be masked.
            failure = MappingError("the program failed; the message is not shown because the response has the token")
        raise failure

    async def close(self) -> None:
        """End what the program runs in."""
        await self._mapper.close()


def _contains_token(body: bytes, token: Token) -> Steps[bool]:
    text = body.decode("utf-8", "replace")
    for start in range(0, len(text), _SEARCHED_CHARACTERS):
        part = text[start : start + _SEARCHED_CHARACTERS + MOST_MASKED_CHARACTERS]
        if token.mask(part) != part:
            return True
        yield
    return False
