"""What is fuzzed: each module here is a target.

A target has `check(data)`, which raises an exception where the bytes have shown a bug and otherwise returns, and
`WORDS`, texts that are worth putting in. It may have `mutate(data, most_bytes, random, any_bytes)`, which makes an
input like `data` of at most so many bytes; `any_bytes` does the same without knowing what the bytes mean. With
`MOST_BYTES` its inputs become longer than others.
"""

import pkgutil
from collections.abc import Callable, Sequence
from importlib import import_module
from random import Random
from typing import Any, Final

AnyBytes = Callable[[bytes, int], bytes]
Mutate = Callable[[bytes, int, Random, AnyBytes], bytes]

NAMES: Final = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))
"""Every target's name, which is also that of its folder in the corpus."""


class Target:
    """A target, loaded."""

    def __init__(self, name: str) -> None:
        module: Any = import_module(f"{__name__}.{name}")
        self.name = name
        self.check: Callable[[bytes], None] = module.check
        self.words: Sequence[str] = module.WORDS
        self.most_bytes: int = getattr(module, "MOST_BYTES", 4096)
        self.mutate: Mutate | None = getattr(module, "mutate", None)
