import json
import subprocess

from exporter import __version__
from tests.support.lock_files import OURS, locked
from tests.support.repository import ROOT


def test_the_bill_of_materials_is_the_lock_and_the_same_every_time() -> None:
    path = ROOT / "dist" / "sbom.cdx.json"
    written = []
    for _ in range(2):
        path.unlink(missing_ok=True)
        # Keep make from reinstalling the environment while tests run in it.
        subprocess.run(["make", "-o", ".venv/dev.stamp", "sbom"], cwd=ROOT, check=True, capture_output=True)  # noqa: S607
        written.append(path.read_bytes())
    assert written[0] == written[1]
    bill = json.loads(written[0])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    root = bill["metadata"]["component"]
    assert (root["type"], root["name"], root["version"]) == ("application", OURS, __version__)
    assert [each["license"]["id"] for each in root["licenses"]] == ["Apache-2.0"]
    components = {
        each["purl"]: {item["content"] for place in each["externalReferences"] for item in place["hashes"]}
        for each in bill["components"]
    }
    assert components == {
        f"pkg:pypi/{name}@{str(requirement.specifier).removeprefix('==')}": hashes
        for name, (requirement, hashes) in locked("requirements/run.lock").items()
    }
    assert {"timestamp", "serialNumber"} & {*bill, *bill["metadata"]} == set()
