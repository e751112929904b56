import subprocess

import yaml

from tests.support.repository import ROOT
from tests.support.tools import tool


def test_the_workflows_are_valid() -> None:
    actionlint = tool("actionlint", "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12", "go install")
    # shellcheck would be used where it is installed, and other machines would see other problems.
    done = subprocess.run([actionlint, "-shellcheck="], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stdout) == (0, "")


def test_a_release_publishes_the_files_that_it_has_built() -> None:
    """An artifact has the files of its one path at its top; with several paths, their common folder is its top."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8"))["jobs"]
    moved = {
        step["uses"].partition("@")[0]: step["with"]["path"]
        for job in jobs.values()
        for step in job["steps"]
        if "-artifact@" in step.get("uses", "")
    }
    assert moved == {"actions/upload-artifact": "dist", "actions/download-artifact": "dist"}
