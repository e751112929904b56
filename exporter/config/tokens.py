"""Secrets that do not show themselves: the tokens of V-Spark, and the places that tokens are read from."""

import asyncio
import os
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Hashable, Mapping
from concurrent.futures import Future
from html.entities import html5
from pathlib import Path
from typing import Final, final
from urllib.parse import quote

from exporter.errors import TokenError
from exporter.runtime.files import read_secret
from exporter.runtime.threads import DaemonThreads

_INVISIBLE_CHARACTER: Final = (
    r"[\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
    r"|\\(?:x[01][0-9a-f]|x7f|x[89][0-9a-f]|xad|u200[b-f]|u202[8-9a-e]|u206[0-9]|ufeff)"
)
_INVISIBLE: Final = rf"(?:{_INVISIBLE_CHARACTER}|<[^<>]{{0,64}}>)*+"
_INVISIBLE_BUT_TAGS: Final = rf"(?:{_INVISIBLE_CHARACTER})*+"
"""Regular expressions of what may be between two characters without being seen, or is shown as an escape.

They are possessive: otherwise a crafted text could be matched in countless ways.
"""

_ENTITIES: Final[defaultdict[str, set[str]]] = defaultdict(set)
"""The names that HTML has for characters."""
for _name, _characters in html5.items():
    _ENTITIES[_characters].add(_name.removesuffix(";").lower())  # any case matches, so each name is needed once only


_THREADS: Final = DaemonThreads(most=8, name="token")
"""They read the files of tokens, so that files that hang use up no others. None is started before it is needed."""

MOST_MASKED_CHARACTERS: Final = 2**13
"""More than a token takes in any encoding, without what may be between its characters."""

_VARIABLE: Final = re.compile("[A-Z_][A-Z0-9_]{0,63}")
"""What is shown as the name of an environment variable. Any other text may be a token under the wrong key."""


class Secret:
    """A text that only `reveal` returns; `repr` and `str` are masked."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, to use it."""
        return self._text

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@final
class Token(Secret):
    """A token, without the white space around it.

    Raises ValueError, which does not quote the text, if it is empty or contains white space or unprintable characters.
    """

    __slots__ = ("_pattern", "_quoted")

    def __init__(self, text: str) -> None:
        text = text.strip()
        if not text:
            raise ValueError("a token must not be empty")
        if " " in text or not text.isprintable():
            raise ValueError("a token must not contain white space or control characters")
        super().__init__(text)
        self._quoted = quote(text, safe="")
        characters = [*map(_any_encoding, text)]
        # In this order: what may be between the characters of a short token may itself contain the token. The others
        # find a token that is itself partly like what may be between.
        betweens = (_INVISIBLE, _INVISIBLE_BUT_TAGS, "") if "<" in text else (_INVISIBLE, "")
        self._pattern = re.compile("|".join(between.join(characters) for between in betweens))

    def reveal_quoted(self) -> str:
        """Return the text percent-encoded, to use it in a URL."""
        return self._quoted

    def mask(self, text: str) -> str:
        """Return `text` with `***` in place of the token.

        The token may be percent-encoded, once or several times, or escaped as in JSON or HTML. Its characters may have
        space, control characters or tags between them, as when UTF-16 is read in another encoding.
        """
        return self._pattern.sub("***", text)


def _any_encoding(character: str) -> str:
    """Return the pattern of a character as it is, percent-encoded, and escaped as in JSON and HTML."""
    percent = "".join(f"%(?:25)*{byte:02x}" for byte in character.encode())
    utf16 = character.encode("utf-16-be", "surrogatepass").hex()
    json = "".join(rf"\\u{utf16[start : start + 4]}" for start in range(0, len(utf16), 4))
    number = ord(character)
    names = "|".join((*sorted(_ENTITIES.get(character, ())), f"#0*{number}", f"#x0*{number:x}"))
    return rf"(?:(?i:{percent}|{json}|&(?:amp;)*(?:{names});?)|\\?{re.escape(character)})"


class TokenSource(ABC):
    """A place that a token comes from. Sources of the same place are equal.

    `origin` is the place in words, `known` the token that was read last, None before the first. A configuration that
    is loaded has read every token.
    """

    def __init__(self, place: Hashable, origin: str, known: Token | None = None) -> None:
        self.origin = origin
        self.known = known
        self._place = place

    @abstractmethod
    def read(self) -> Token:
        """Return the current token; TokenError, which does not quote it, if there is none. May hang."""

    async def current(self, limit_seconds: float) -> Token:  # noqa: ARG002 # only a file may hang
        """Return the current token, as `read`, but never block; TokenError also after `limit_seconds`."""
        return self.read()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, TokenSource) and self._place == other._place

    def __hash__(self) -> int:
        return hash(self._place)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._place!r})"


class LiteralToken(TokenSource):
    """A token in the configuration file itself; raises ValueError as `Token` does."""

    def __init__(self, text: str) -> None:
        self._token = Token(text)
        super().__init__(self._token, "the configuration file", self._token)

    def read(self) -> Token:
        """Return the token."""
        return self._token


class EnvToken(TokenSource):
    """A token in the environment variable `name` of `environ`."""

    def __init__(self, name: str, environ: Mapping[str, str] = os.environ) -> None:
        super().__init__(name, f"the environment variable {name}")
        self._name = name
        self._environ = environ
        self._text = ""

    def read(self) -> Token:
        """Return the token; TokenError if the variable is not set or contains no token."""
        text = self._environ.get(self._name)
        if text is None and not _VARIABLE.fullmatch(self._name):
            hint = "its name is not shown because it may be the token itself"
            raise TokenError(f"the environment variable is not set; {hint}")
        if text is None:
            raise TokenError(f"{self.origin} is not set")
        if self.known is None or text != self._text:
            try:
                self.known, self._text = Token(text), text
            except ValueError as error:
                raise TokenError(f"{self.origin} contains no token: {error}") from None
        return self.known


class FileToken(TokenSource):
    """A token in the file `path`, which is read again when it changes.

    Symbolic links are followed, so the swap of a mounted Kubernetes Secret is a change.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), str(path))
        self._path = path
        self._signature: tuple[int, int, int] | None = None
        self._reading: Future[Token] | None = None
        self._hanging: Future[Token] | None = None

    def read(self) -> Token:
        """Return the token; TokenError if the file cannot be read or contains no token."""
        try:
            status = self._path.stat()
            # Taken before the file is read, so that the next call finds a change in between.
            signature = (status.st_mtime_ns, status.st_size, status.st_ino)
            if self.known is None or signature != self._signature:
                self.known = Token(read_secret(self._path).decode("utf-8-sig"))
                self._signature = signature
        except OSError as error:
            raise TokenError(f"cannot read {self.origin!r}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise TokenError(f"{self.origin!r} is not UTF-8") from None
        except ValueError as error:
            raise TokenError(f"{self.origin!r} contains no token: {error}") from None
        return self.known

    async def current(self, limit_seconds: float) -> Token:
        """Return the current token, as `read`, but in a thread; TokenError also after `limit_seconds`.

        Calls at the same time share one thread. Once a call has waited in vain, others fail at once while it hangs.
        """
        if self._reading is None or self._reading.done():
            self._reading = _THREADS.submit(self.read)
        reading = self._reading
        if reading is self._hanging:
            raise TokenError(f"cannot read {self.origin!r}: an earlier attempt still hangs; check its file system")
        try:
            async with asyncio.timeout(limit_seconds):
                return await asyncio.shield(asyncio.wrap_future(reading))  # others may wait for it
        except TimeoutError:
            self._hanging = reading
            late = f"cannot read {self.origin!r} within {limit_seconds:.3g} s; check its file system"
            raise TokenError(late) from None
