"""Programs that tests run, and what to do where one is missing."""

import os
import shutil

import pytest


def tool(name: str, package: str) -> str:
    """Give the path of a program of Debian's `package`; where it is missing the test is skipped, or fails in CI."""
    path = shutil.which(name)
    if path is not None:
        return path
    message = f"{name} is missing: apt-get install {package}"
    if os.environ.get("REQUIRE_TOOLS") == "1":
        pytest.fail(message)
    pytest.skip(message)
