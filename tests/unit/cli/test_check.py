from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.cli.check import describe, describe_web
from exporter.config.discovered import Discovered, DiscoveredOrg
from exporter.config.loaded import load_config, timeout_warnings, zone_warnings
from exporter.config.schema import Config
from exporter.config.targets import make_targets
from exporter.errors import ConfigError, StatusError
from exporter.vspark.discovery import COMPANIES, Outcome
from exporter.web.toolkit.file import WebConfigFile
from tests.support.tls_files import HASH, TLS, equip
from tests.support.tls_files import write as write_web

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
        interval: 14s
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
DISABLED = "discovery: { enabled: false }\n"
HEAD = """\
each poll within 10s, responses of at most 64MiB, at most 4 concurrent requests
series for the 1000 busiest agents of each folder that match '.*' and not '', their ids unchanged
"""
TWO_LINES = """\
vspark:
  url: https://vspark.example.com:3000
  token_file: token
"""


def write(folder: Path, more: str = "") -> Path:
    (folder / "token").write_text("s3cret-canary")
    (folder / "key").write_text("s3cret-canary-16")
    (folder / "config.yaml").write_text(FILE + more)
    return folder / "config.yaml"


def load(folder: Path, text: str) -> Config:
    (folder / "token").write_text("s3cret-canary")
    (folder / "config.yaml").write_text(text)
    return load_config(folder / "config.yaml", {})


def test_all_that_would_be_polled(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, DISABLED), {"DOCTESTCO_TOKEN": "s3cret-canary"})
    long_timeout = ", WARNING: the interval is shorter than vspark.timeout, so a slow poll skips the next one"
    assert (
        describe(config, make_targets(config))
        == f"""\
https://vspark.example.com:3000: 5 targets
each poll within 15s, responses of at most 64MiB, at most 4 concurrent requests
series for the 1000 busiest agents of each folder that match '.*' and not '', their ids unchanged
no discovery
DocTestCo, token from the environment variable DOCTESTCO_TOKEN
  DocTestCo-DocTesting, US/Eastern
    Test01, every 14s, stale after 1m10s{long_timeout}
    Test 02, every 14s, stale after 1m10s{long_timeout}
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


def test_the_previous_day_is_mentioned_if_it_is_polled(tmp_path: Path) -> None:
    config = load(tmp_path, TWO_LINES + "poll: { previous_day_for: 6h }\n")
    assert describe(config, ()).splitlines()[2] == (
        "the previous day every 10 intervals until 6h after midnight, and once at start"
    )


NOTHING_LISTED = f"""\
https://vspark.example.com:3000: 0 targets in the configuration, and those that V-Spark lists
{HEAD}\
V-Spark is asked every 10m for companies, their orgs, folders and time zones (--discover does it now)
"""
SOME_ORGS_OMITTED = f"""\
https://vspark.example.com:3000: 2 targets in the configuration, and those that V-Spark lists
{HEAD}\
V-Spark is asked every 1h for orgs of A, C, folders where none are listed, and time zones (--discover does it now)
B, token from FOLDER/token
  B-One, time zone from V-Spark
    (all folders), every 1m, stale after 5m
  B-Two, UTC
    (all folders), every 1m, stale after 5m
"""
ORGS_LISTED = f"""\
https://vspark.example.com:3000: 1 target
{HEAD}\
V-Spark is asked every 10m for folders where none are listed, and time zones (--discover does it now)
B, token from FOLDER/token
  B-One, time zone from V-Spark
    Sales, every 1m, stale after 5m
"""
ORGS = "[{ name: B-One }, { name: B-Two, timezone: UTC }]"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", NOTHING_LISTED),
        (
            f"discovery: {{ interval: 1h }}\ncompanies: [{{ name: A }}, {{ name: B, orgs: {ORGS} }}, {{ name: C }}]",
            SOME_ORGS_OMITTED,
        ),
        ("companies: [{ name: B, orgs: [{ name: B-One, folders: [Sales] }] }]", ORGS_LISTED),
    ],
    ids=["two lines", "orgs omitted", "orgs listed"],
)
def test_what_would_be_discovered(tmp_path: Path, more: str, expected: str) -> None:
    config = load(tmp_path, TWO_LINES + more)
    assert describe(config, make_targets(config)).replace(str(tmp_path), "FOLDER") == expected


def test_what_was_discovered(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        f"{TWO_LINES}companies: [{{ name: A }}, {{ name: B, orgs: [{{ name: B-India, timezone: Asia/Tokyo }}] }}]",
    )
    discovered = Discovered(
        {
            "A": {
                "A-East": DiscoveredOrg(ZoneInfo("US/Eastern"), frozenset(f"F{number}" for number in range(1200))),
                "A-None": DiscoveredOrg(None, frozenset({"N"})),
            },
            "B": {"B-India": DiscoveredOrg(ZoneInfo("Asia/Kolkata"))},
        }
    )
    outcome = Outcome(
        discovered,
        {"B": StatusError("auth", "the token is rejected\n(status 403 Forbidden)", status=403)},
        frozenset({"A"}),
        ("/list/A/A-East/folders: a name of 3,000 characters; at most 1,024 are accepted",),
    )
    assert describe(config, make_targets(config, discovered), outcome) == (
        "https://vspark.example.com:3000: 3 targets\n"
        f"{HEAD}"
        "WARNING: discovery of B failed (auth): the token is rejected\\n(status 403 Forbidden)\n"
        "WARNING: left out: /list/A/A-East/folders: a name of 3,000 characters; at most 1,024 are accepted\n"
        f"A, token from {tmp_path}/token\n"
        "  A-East, US/Eastern\n"
        "    (all folders, 1,200 listed), every 1m, stale after 5m\n"
        "  A-None, WARNING: no time zone, so no date is sent and the server's today counts\n"
        "    (all folders, 1 listed), every 1m, stale after 5m\n"
        f"B, token from {tmp_path}/token\n"
        "  B-India, Asia/Tokyo, WARNING: V-Spark has Asia/Kolkata\n"
        "    (all folders), every 1m, stale after 5m\n"
    )


def test_the_list_of_companies_cannot_be_discovered(tmp_path: Path) -> None:
    config = load(tmp_path, TWO_LINES)
    outcome = Outcome(
        Discovered({}), {COMPANIES: StatusError("auth", "the token is rejected", status=403)}, frozenset(), ()
    )
    assert describe(config, (), outcome) == (
        "https://vspark.example.com:3000: 0 targets\n"
        f"{HEAD}"
        "WARNING: discovery of the list of companies failed (auth): the token is rejected\n"
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


def test_a_warning_for_each_organization_without_a_time_zone_if_discovery_is_disabled(tmp_path: Path) -> None:
    environ = {"DOCTESTCO_TOKEN": "s3cret-canary"}
    assert zone_warnings(load_config(write(tmp_path), environ)) == ()
    config = load_config(write(tmp_path, DISABLED), environ)
    assert zone_warnings(config) == (
        "companies[1].orgs[0]: Other/Other-Support has no time zone, so no date is sent and the server's today counts",
        "companies[2].orgs[0]: Third/Third-A has no time zone, so no date is sent and the server's today counts",
    )


def test_a_warning_for_each_interval_that_is_shorter_than_the_timeout(tmp_path: Path) -> None:
    environ = {"DOCTESTCO_TOKEN": "s3cret-canary"}
    reason = "is shorter than vspark.timeout, so a slow poll skips the next one"
    of_org = f"companies[0].orgs[0].interval: 14s {reason}"
    assert timeout_warnings(load_config(write(tmp_path), environ)) == (of_org,)
    assert timeout_warnings(load_config(write(tmp_path, "poll: { interval: 15s }"), environ)) == (of_org,)
    assert timeout_warnings(load_config(write(tmp_path, "poll: { interval: 14999ms }"), environ)) == (
        f"poll.interval: 14s999ms {reason}",
        of_org,
    )


NEW_YEAR_3000 = datetime(3000, 1, 1, tzinfo=UTC).timestamp()
"""When the certificates of the tests expire."""


def web(folder: Path, text: str, now: float = 0.0) -> str:
    said = describe_web(WebConfigFile(write_web(folder, text)), now)
    assert HASH not in said
    return said.replace(str(folder), "{folder}")


def test_how_the_web_is_served(tmp_path: Path) -> None:
    equip(tmp_path)
    assert web(tmp_path, "{}") == "web: http, without TLS\nweb: no passwords\n"
    assert (
        web(
            tmp_path,
            f"{TLS}basic_auth_users: {{alice: '{HASH}', bob: '{HASH}'}}\n"
            "http_server_config: {headers: {X-Frame-Options: deny, X-XSS-Protection: 0}}\n"
            "rate_limit: {interval: 100ms, burst: 20}\n",
        )
        == """\
web: https, TLS 1.2 to 1.3, certificate {folder}/server.crt
web: the certificate expires at 3000-01-01T00:00:00Z
web: no client certificates
web: users alice, bob; /-/healthy and /-/ready need no password
web: headers X-Frame-Options, X-XSS-Protection
web: at most 20 requests at once, and one more each 0.1 s
"""
    )


def test_which_clients_are_let_in(tmp_path: Path) -> None:
    equip(tmp_path)
    required = ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt, client_allowed_sans: [a, b]"
    assert web(tmp_path, TLS.replace("}", f", min_version: TLS13{required}}}")).splitlines()[:3] == [
        "web: https, TLS 1.3, certificate {folder}/server.crt",
        "web: the certificate expires at 3000-01-01T00:00:00Z",
        (
            "web: client certificates are required and verified by the CAs in {folder}/ca.crt, "
            "with one of the names a, b"
        ),
    ]
    optional = ", client_auth_type: VerifyClientCertIfGiven"
    assert web(tmp_path, TLS.replace("}", f"{optional}}}")).splitlines()[2] == (
        "web: client certificates are optional and verified by the CAs in this machine's store"
    )


def test_a_certificate_that_expires(tmp_path: Path) -> None:
    equip(tmp_path)
    days = [15, 13, 0]
    assert [web(tmp_path, TLS, NEW_YEAR_3000 - 86400 * number).splitlines()[1] for number in days] == [
        "web: the certificate expires at 3000-01-01T00:00:00Z",
        "web: WARNING: the certificate expires at 3000-01-01T00:00:00Z",
        "web: WARNING: the certificate expired at 3000-01-01T00:00:00Z",
    ]


UNSTARTED = """\
vspark:
  url: https://vspark.example.com:3000
  token_file: /run/credentials/unstarted.service/token_vspark
  tls: {cert_file: client.crt, key_file: /run/credentials/unstarted.service/client-key}
agents: {hash_key_file: /run/credentials/unstarted.service/hash-key}
companies:
  - {name: Co, token_file: /run/credentials/unstarted.service/token_co, orgs: [{name: Org, timezone: UTC}]}
  - {name: Other, token_file: /run/credentials/unstarted.service/token_co, orgs: [{name: Org, timezone: UTC}]}
"""


def test_credentials_that_systemd_has_not_created_yet(tmp_path: Path) -> None:
    (tmp_path / "client.crt").write_text("not read without its key")
    path = tmp_path / "config.yaml"
    path.write_text(UNSTARTED)
    config = load_config(path, or_future=True)
    warnings = [line for line in describe(config, make_targets(config)).splitlines() if "WARNING" in line]
    assert warnings == [
        f"WARNING: /run/credentials/unstarted.service/{name} is not checked: systemd creates it when it starts the "
        "service"
        for name in ("token_vspark", "token_co", "client-key", "hash-key")
    ]


def test_an_exporter_that_starts_needs_its_credentials(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(UNSTARTED.replace("client.crt", "gone.crt"))
    with pytest.raises(ExceptionGroup) as caught:
        load_config(path)
    cannot = "cannot read '/run/credentials/unstarted.service/{}': No such file or directory"
    assert [each.message for each in caught.value.exceptions if isinstance(each, ConfigError)] == [
        cannot.format("token_vspark"),
        f"cannot read '{tmp_path}/gone.crt': No such file or directory",
        *map(cannot.format, ("client-key", "hash-key", "token_co", "token_co")),
    ]


def test_other_files_must_exist_before_the_first_start(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(UNSTARTED.replace("/run/credentials/unstarted.service/token_co", "/run/credentials/token_co"))
    with pytest.raises(ExceptionGroup) as caught:
        load_config(path, or_future=True)
    assert "cannot read '/run/credentials/token_co': No such file or directory" in str(caught.value.exceptions)
