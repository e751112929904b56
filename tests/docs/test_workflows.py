import subprocess

from tests.support.repository import ROOT
from tests.support.tools import tool


def test_the_workflows_are_valid() -> None:
    actionlint = tool("actionlint", "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12", "go install")
    # shellcheck would be used where it is installed, and other machines would see other problems.
    done = subprocess.run([actionlint, "-shellcheck="], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stdout) == (0, "")
