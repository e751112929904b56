"""Passwords as the web configuration file holds them, and the check of those that requests bring."""

import asyncio
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Final, final

import bcrypt

from exporter.errors import ExporterError

_HASH: Final = re.compile(r"\$2[abxy]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}", re.ASCII)
_LONGEST_BYTES: Final = 72  # what bcrypt looks at; htpasswd and the Prometheus toolkit leave the rest off as well
_LONGEST_QUEUE: Final = 16


@final
class PasswordHash:
    """A bcrypt hash as htpasswd writes it; it shows itself to nobody. ValueError, without it, where `text` is none."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if _HASH.fullmatch(text) is None:
            raise ValueError("is no bcrypt hash; `htpasswd -nBC 10 USER` makes one")
        self._text = text

    @property
    def cost(self) -> int:
        """The logarithm of the work that a check takes, 4 to 31."""
        return int(self._text[4:6])

    def matches(self, password: bytes) -> bool:
        """Tell whether this is the hash of `password`; takes long, as it is meant to."""
        return bcrypt.checkpw(password[:_LONGEST_BYTES], self._text.encode())

    def __repr__(self) -> str:
        return "PasswordHash(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PasswordHash) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


class TooManyChecksError(ExporterError):
    """So many passwords wait for their check that one more would only wait, too."""


class Passwords:
    """Checks the passwords of `users`, one at a time and away from the event loop.

    A password that was right is not hashed again: what is kept of it is its HMAC with a key of this object, one for
    each user. A user who is not there costs as much as one who is.
    """

    def __init__(self, users: Mapping[str, PasswordHash]) -> None:
        self._users = users
        cost = max((each.cost for each in users.values()), default=10)
        self._nobody = PasswordHash(f"$2b${cost:02}${'.' * 53}")
        self._key = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    async def check(self, user: str, password: bytes) -> bool:
        """Tell whether this is the user's password; TooManyChecksError where that cannot be found out soon."""
        digest = hmac.digest(self._key, password, "sha256")
        if self._is_known(user, digest):
            return True
        if self._waiting >= _LONGEST_QUEUE:
            raise TooManyChecksError(f"{self._waiting} passwords wait for their check")
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                return self._is_known(user, digest) or await self._hash(user, password, digest)
        finally:
            self._waiting -= 1

    def _is_known(self, user: str, digest: bytes) -> bool:
        return hmac.compare_digest(self._right.get(user, b""), digest)

    async def _hash(self, user: str, password: bytes, digest: bytes) -> bool:
        matches = await asyncio.to_thread(self._users.get(user, self._nobody).matches, password)
        if not matches or user not in self._users:
            return False
        self._right[user] = digest
        return True
