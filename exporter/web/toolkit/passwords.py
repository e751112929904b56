"""Passwords in the web configuration file, and the check of the passwords in requests."""

import asyncio
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Final, final

from exporter.config.tokens import Secret
from exporter.errors import ExporterError

_HASH: Final = re.compile(r"\$2[abxy]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}", re.ASCII)
_LONGEST_BYTES: Final = 72  # bcrypt uses no more; htpasswd and the Prometheus toolkit ignore the rest as well
_LONGEST_QUEUE: Final = 16


@final
class PasswordHash(Secret):
    """A bcrypt hash as htpasswd writes it. Raises ValueError, which does not quote the text, if it is not one."""

    __slots__ = ()

    def __init__(self, text: str) -> None:
        if _HASH.fullmatch(text) is None:
            raise ValueError("is not a bcrypt hash; `htpasswd -nBC 10 USER` creates one")
        super().__init__(text)

    @property
    def cost(self) -> int:
        """The logarithm of the work for one check, 4 to 31."""
        return int(self._text[4:6])

    def matches(self, password: bytes) -> bool:
        """Return whether this is the hash of `password`. This is slow on purpose."""
        import bcrypt  # noqa: PLC0415 # most exporters have no users

        return bcrypt.checkpw(password[:_LONGEST_BYTES], self._text.encode())


class TooManyChecksError(ExporterError):
    """Too many passwords are waiting for their check."""


class Passwords:
    """Checks the passwords of `users`, one at a time and outside the event loop.

    A correct password is not hashed again: its HMAC is kept, one for each user, with a key of this object. An unknown
    user takes as long as a known one.
    """

    def __init__(self, users: Mapping[str, PasswordHash]) -> None:
        self._users = users
        cost = max((each.cost for each in users.values()), default=10)
        self._unknown_user = PasswordHash(f"$2b${cost:02}${'.' * 53}")
        self._key = secrets.token_bytes(32)
        self._correct: dict[str, bytes] = {}
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    async def check(self, user: str, password: bytes) -> bool:
        """Return whether this is the user's password; raises TooManyChecksError if the check would take too long."""
        digest = hmac.digest(self._key, password, "sha256")
        if self._is_known(user, digest):
            return True
        if self._waiting >= _LONGEST_QUEUE:
            raise TooManyChecksError(f"{self._waiting} passwords are waiting for their check")
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                return self._is_known(user, digest) or await self._hash(user, password, digest)
        finally:
            self._waiting -= 1

    def _is_known(self, user: str, digest: bytes) -> bool:
        return hmac.compare_digest(self._correct.get(user, b""), digest)

    async def _hash(self, user: str, password: bytes, digest: bytes) -> bool:
        matches = await asyncio.to_thread(self._users.get(user, self._unknown_user).matches, password)
        if not matches or user not in self._users:
            return False
        self._correct[user] = digest
        return True
