"""The fuzz targets: each module here is one.

A target has `check(data)`, which raises an exception if the bytes reveal a bug, and `WORDS`, texts that are worth
inserting. It may have `mutate(data, most_bytes, random, any_bytes)`, which returns a changed input of at most
`most_bytes`; `any_bytes` is the mutator of atheris, which does not know what the bytes mean. `MOST_BYTES` is the
maximum length of its inputs, 4096 by default.
"""

import pkgutil
from collections.abc import Callable, Sequence
from importlib import import_module
from random import Random
from typing import Any, Final

AnyBytes = Callable[[bytes, int], bytes]
Mutate = Callable[[bytes, int, Random, AnyBytes], bytes]

NAMES: Final = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))
"""The names of all targets; each has a folder of that name in the corpus."""


class Target:
    """A loaded target."""

    def __init__(self, name: str) -> None:
        module: Any = import_module(f"{__name__}.{name}")
        self.name = name
        self.check: Callable[[bytes], None] = module.check
        self.words: Sequence[str] = module.WORDS
        self.most_bytes: int = getattr(module, "MOST_BYTES", 4096)
        self.mutate: Mutate | None = getattr(module, "mutate", None)
