"""V-Spark's tokens: a value that shows itself to nobody by accident, and the places it is read from."""

import os
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping
from html.entities import html5
from pathlib import Path
from typing import Final, final

from exporter.errors import TokenError
from exporter.runtime.files import read_secret

_NOTHING_SEEN: Final = (
    r"(?:[\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
    r"|\\(?:x[01][0-9a-f]|x7f|x[89][0-9a-f]|xad|u200[b-f]|u202[8-9a-e]|u206[0-9]|ufeff)|<[^<>]{0,64}>)*+"
)
"""What may stand between two characters and is not seen, or shown as its code, as a regular expression.

It never gives back what it has taken: a text made for that could be read in countless ways otherwise.
"""

_NAMES: Final[defaultdict[str, set[str]]] = defaultdict(set)
"""What HTML calls characters."""
for _name, _characters in html5.items():
    _NAMES[_characters].add(_name.removesuffix(";").lower())  # any case is taken; twice would be two ways to read it


@final
class Token:
    """A token; only `reveal` gives its text away.

    White space around `text` is left off. ValueError, without the text, where nothing is left or what is left holds
    white space or characters that cannot be printed.
    """

    __slots__ = ("_patterns", "_text")

    def __init__(self, text: str) -> None:
        text = text.strip()
        if not text:
            raise ValueError("a token cannot be empty")
        if " " in text or not text.isprintable():
            raise ValueError("a token cannot hold white space or control characters")
        self._text = text
        characters = [*map(_any_encoding, text)]
        self._patterns = [re.compile(between.join(characters)) for between in ("", _NOTHING_SEEN)]

    def reveal(self) -> str:
        """Give the token's text, to send it."""
        return self._text

    def mask(self, text: str) -> str:
        """Give `text` with `***` wherever the token stands in it.

        It may be percent-encoded, once or several times, or escaped as in JSON or HTML, and its characters may have
        space, control characters or tags between them, as where UTF-16 was read as something else.
        """
        for pattern in self._patterns:
            text = pattern.sub("***", text)
        return text

    def __repr__(self) -> str:
        return "Token(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def _any_encoding(character: str) -> str:
    """Make the pattern of a character as it is, percent-encoded, and escaped as in JSON and HTML."""
    percent = "".join(f"%(?:25)*{byte:02x}" for byte in character.encode())
    utf16 = character.encode("utf-16-be", "surrogatepass").hex()
    json = "".join(rf"\\u{utf16[start : start + 4]}" for start in range(0, len(utf16), 4))
    number = ord(character)
    names = "|".join((*sorted(_NAMES.get(character, ())), f"#0*{number}", f"#x0*{number:x}"))
    return rf"(?:(?i:{percent}|{json}|&(?:amp;)*(?:{names});?)|\\?{re.escape(character)})"


class TokenSource(ABC):
    """Where a token comes from; sources of the same place are equal. `origin` says it to people."""

    origin: str

    @abstractmethod
    def read(self) -> Token:
        """Give the token as it is now; TokenError, which does not quote it, where there is none."""


class LiteralToken(TokenSource):
    """A token that stands in the configuration file itself; ValueError as `Token`."""

    origin = "the configuration file"

    def __init__(self, text: str) -> None:
        self._token = Token(text)

    def read(self) -> Token:
        """Give the token."""
        return self._token

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LiteralToken) and self._token == other._token

    def __hash__(self) -> int:
        return hash(self._token)

    def __repr__(self) -> str:
        return f"LiteralToken({self._token!r})"


class EnvToken(TokenSource):
    """A token in the environment variable `name` of `environ`."""

    def __init__(self, name: str, environ: Mapping[str, str] = os.environ) -> None:
        self.origin = f"the environment variable {name}"
        self._name = name
        self._environ = environ

    def read(self) -> Token:
        """Give the token; TokenError where the variable is not set or holds none."""
        # Its name is not in the messages: a name that is not set may be a token under the wrong key.
        try:
            return Token(self._environ[self._name])
        except KeyError:
            raise TokenError("the environment variable is not set") from None
        except ValueError as error:
            raise TokenError(f"the environment variable holds no token: {error}") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnvToken) and self._name == other._name

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f"EnvToken({self._name!r})"


class FileToken(TokenSource):
    """A token in the file `path`, read again when the file has changed.

    Symbolic links are followed, so the swap of a mounted Kubernetes Secret counts as a change.
    """

    def __init__(self, path: Path) -> None:
        self.origin = str(path)
        self._path = path
        self._signature: tuple[int, int, int] | None = None
        self._token: Token | None = None

    def read(self) -> Token:
        """Give the token; TokenError where the file cannot be read or holds none."""
        try:
            status = self._path.stat()
            # Taken before the file is read: a change in between is then seen the next time.
            signature = (status.st_mtime_ns, status.st_size, status.st_ino)
            if self._token is None or signature != self._signature:
                self._token = Token(read_secret(self._path).decode("utf-8-sig"))
                self._signature = signature
        except OSError as error:
            raise TokenError(f"cannot read {self.origin!r}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise TokenError(f"{self.origin!r} is no UTF-8 text") from None
        except ValueError as error:
            raise TokenError(f"{self.origin!r} holds no token: {error}") from None
        return self._token

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileToken) and self._path == other._path

    def __hash__(self) -> int:
        return hash(self._path)

    def __repr__(self) -> str:
        return f"FileToken({self.origin!r})"
