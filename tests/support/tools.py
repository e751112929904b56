"""The programs that tests run."""

import os
import shutil
from typing import NoReturn

import pytest


def tool(name: str, package: str, install: str = "apt-get install") -> str:
    """Return the path of a program that the command `install` installs from `package`.

    If the program is missing, skip the test, or fail it in CI.
    """
    path = shutil.which(name)
    if path is None:
        missing(f"{name} is missing: {install} {package}")
    return path


def missing(message: str) -> NoReturn:
    """Skip the test, or fail it in CI, with a message that says what to install."""
    if os.environ.get("REQUIRE_TOOLS") == "1":
        pytest.fail(message)
    pytest.skip(message)
