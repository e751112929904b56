from pathlib import Path

from exporter.check import describe, zone_warnings
from exporter.config import load_config
from exporter.targets import make_targets

FILE = """\
vspark:
  url: https://vspark.example.com:3000
  token_file: token
  timeout: 15s
companies:
  - name: DocTestCo
    token_env: DOCTESTCO_TOKEN
    orgs:
      - name: DocTestCo-DocTesting
        timezone: US/Eastern
        folders: [Test01, Test 02]
        interval: 30s
      - name: DocTestCo-Sales
        timezone: Europe/Berlin
  - name: Other
    orgs:
      - name: Other-Support
  - name: Third
    token: s3cret-canary
    orgs:
      - name: Third-A
        folders: [x]
        interval: 1h30m
"""


def write(folder: Path, more: str = "") -> Path:
    (folder / "token").write_text("s3cret-canary")
    (folder / "key").write_text("s3cret-canary")
    (folder / "config.yaml").write_text(FILE + more)
    return folder / "config.yaml"


def test_all_that_would_be_polled(tmp_path: Path) -> None:
    config = load_config(write(tmp_path), {"DOCTESTCO_TOKEN": "s3cret-canary"})
    assert (
        describe(config, make_targets(config))
        == f"""\
https://vspark.example.com:3000: 5 targets
each poll within 15s, answers of at most 64MiB, at most 4 requests at a time
series for the 1000 busiest agents of each folder that match '.*' and not '', their ids as they are
DocTestCo, token from the environment variable DOCTESTCO_TOKEN
  DocTestCo-DocTesting, US/Eastern
    Test01, every 30s, stale after 2m30s
    Test 02, every 30s, stale after 2m30s
  DocTestCo-Sales, Europe/Berlin
    (all folders), every 1m, stale after 5m
Other, token from {tmp_path}/token
  Other-Support, WARNING: no time zone, so no date is sent and the server's today counts
    (all folders), every 1m, stale after 5m
Third, token from the configuration file
  Third-A, WARNING: no time zone, so no date is sent and the server's today counts
    x, every 1h30m, stale after 7h30m
"""
    )


def test_how_agents_are_shown(tmp_path: Path) -> None:
    environ = {"DOCTESTCO_TOKEN": "s3cret-canary"}
    hashed = load_config(write(tmp_path, "agents: { max_per_folder: 5, hash_key_file: key, exclude: '9.*' }"), environ)
    assert describe(hashed, make_targets(hashed)).splitlines()[2] == (
        "series for the 5 busiest agents of each folder that match '.*' and not '9.*', "
        f"their ids hashed with the key in {tmp_path}/key"
    )
    none = load_config(write(tmp_path, "agents: { enabled: false }"), environ)
    assert describe(none, make_targets(none)).splitlines()[2] == "no series for agents"


def test_a_warning_for_each_organization_without_a_time_zone(tmp_path: Path) -> None:
    config = load_config(write(tmp_path), {"DOCTESTCO_TOKEN": "s3cret-canary"})
    assert zone_warnings(config) == (
        "companies[1].orgs[0]: Other/Other-Support has no time zone, so no date is sent and the server's today counts",
        "companies[2].orgs[0]: Third/Third-A has no time zone, so no date is sent and the server's today counts",
    )
