"""Programs that tests run, and what to do where one is missing."""

import os
import shutil
from typing import NoReturn

import pytest


def tool(name: str, package: str, install: str = "apt-get install") -> str:
    """Give the path of a program that `install` gets from `package`.

    Where it is missing the test is skipped, or fails in CI.
    """
    path = shutil.which(name)
    if path is None:
        missing(f"{name} is missing: {install} {package}")
    return path


def missing(message: str) -> NoReturn:
    """Skip the test, or fail it in CI; the message names what to install."""
    if os.environ.get("REQUIRE_TOOLS") == "1":
        pytest.fail(message)
    pytest.skip(message)
