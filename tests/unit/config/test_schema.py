import shutil
from pathlib import Path

import pytest

from exporter.config.loaded import load_config
from exporter.config.schema import Agents, Company, Config, Org, Poll, StatsFields, Tls, Vspark
from exporter.config.tokens import EnvToken, FileToken, LiteralToken
from exporter.config.units import Duration, DurationOrZero, Size
from exporter.errors import ConfigError
from tests.support.tls_files import equip

TLS_KEYS = "ca_file, cert_file, key_file, server_name, insecure_skip_verify"
NOT_SHOWN = "the file does not exist; its name is not shown because it may be the token itself"

TESTDATA = Path(__file__).parent / "testdata"
GOOD = TESTDATA / "good"
BAD = TESTDATA / "bad"
ENVIRON = {"EMPTY_TOKEN": " \n", "FULL_TOKEN": "s3cret-canary", "SOEHNE_TOKEN": "s3cret-canary"}

MESSAGES: dict[str, list[str]] = {
    "alias": [
        "2: found undefined alias (column 10)",
    ],
    "duplicate_key": [
        "4: duplicate key, first on line 2 (column 3)",
    ],
    "duplicates": [
        "5: companies[0].orgs[0].folders[2]: 'a' is duplicated",
        "5: companies[0].orgs[0].folders[4]: 'a' is duplicated",
        "6: companies[0].orgs[1].name: 'x' is duplicated",
        "10: companies[2].name: 'A' is duplicated",
    ],
    "empty": [
        "the file is empty",
    ],
    "everything": [
        "2: vspark.url: the URL must not contain a user or a password",
        "4: vspark.tls.ca_file: cannot read '{folder}/absent.pem': No such file or directory",
        "5: poll.interval: expected a duration such as 30s, got 'fast'",
        "9: companies[0].orgs[0].timezone: unknown time zone 'US/Estern'; did you mean 'US/Eastern'?",
        "10: companies[0].orgs[1].foldrs: unknown key; did you mean 'folders'?",
        "10: companies[0].orgs[1].name: 'x' is duplicated",
        "11: companies[1].orgs: expected a list, got true or false",
        "11: companies[1].name: 'A' is duplicated",
        "12: agents.include: '(' is not a regular expression: missing ), unterminated subpattern at position 0",
    ],
    "files": [
        f"3: vspark.token_file: {NOT_SHOWN}",
        "4: vspark.tls.ca_file: cannot read '{folder}/absent.pem': No such file or directory",
        "4: vspark.tls.cert_file: cannot read '{folder}': Is a directory",
        "4: vspark.tls.key_file: '{folder}/a\\x00b' is not a file name",
        "6: companies[0].token_file: '{folder}/empty-file' contains no token: a token must not be empty",
        (
            "7: companies[1].token_file: '{folder}/two-words' contains no token: a token must not contain "
            "white space or control characters"
        ),
        "8: companies[2].token_file: cannot read '{folder}/../bad': Is a directory",
        "9: companies[3].token_env: the environment variable ABSENT_TOKEN is not set",
        "10: companies[4].token_env: the environment variable EMPTY_TOKEN contains no token: a token must not be empty",
        "11: companies[5].token: a token must not contain white space or control characters",
        (
            "12: agents.hash_key_file: '{folder}/empty-file' contains 0 bytes, but a key needs 16; create "
            "one: openssl rand -hex 32"
        ),
    ],
    "latin1": [
        "2: not UTF-8",
    ],
    "list": [
        "1: expected a mapping, got a list",
    ],
    "missing": [
        "1: vspark.url: is missing",
        "3: companies[0].name: is missing",
        "3: companies[0]: has no token; set token_file, token_env or token here or under vspark",
        "4: companies[1].orgs[0].name: is missing",
        "4: companies[1].name: is missing",
        "4: companies[1]: has no token; set token_file, token_env or token here or under vspark",
    ],
    "names": [
        "3: companies[0].name: a name must not be empty",
        "5: companies[0].orgs[0].name: a name must not be '..', which is removed from a URL",
        "6: companies[0].orgs[0].folders[0]: a name must not be '.', which is removed from a URL",
        "6: companies[0].orgs[0].folders[1]: 'a\\tb' contains a control character or a lone surrogate",
        "6: companies[0].orgs[0].folders[2]: '\\x85' contains a control character or a lone surrogate",
        "6: companies[0].orgs[0].folders[4]: a name must not be empty",
        "7: companies[1].name: 'line\\nbreak' contains a control character or a lone surrogate",
        "8: companies[1].orgs: must not be empty",
        "10: companies[2].orgs[0].folders: must not be empty",
    ],
    "no_token": [
        "3: companies[0]: has no token; set token_file, token_env or token here or under vspark",
        "5: companies[2]: has no token; set token_file, token_env or token here or under vspark",
    ],
    "not_text": [
        "3: vspark.token: expected text, got a whole number; put it in quotes",
        "5: companies[0].name: expected text, got a whole number; put it in quotes",
        "6: companies[0].token: expected text, got a number; put it in quotes",
        "8: companies[0].orgs[0].name: expected text, got true or false; put it in quotes",
        "9: companies[0].orgs[0].timezone: expected text, got a whole number; put it in quotes",
        "10: companies[0].orgs[0].folders[0]: expected text, got a whole number; put it in quotes",
        "10: companies[0].orgs[0].folders[1]: expected text, got a date; put it in quotes",
        "10: companies[0].orgs[0].folders[2]: expected text, got a whole number; put it in quotes",
        "10: companies[0].orgs[0].folders[3]: expected text, got nothing",
    ],
    "nothing": [
        "1: vspark: expected a mapping, got nothing",
    ],
    "patterns": [
        "4: agents.include: '[0-9' is not a regular expression: unterminated character set at position 0",
        "5: agents.exclude: '*' is not a regular expression: nothing to repeat at position 0",
    ],
    "recursive": [
        f"2: vspark.tls.url: unknown key; expected one of {TLS_KEYS}",
        "3: vspark.token: expected text, got a mapping",
        f"3: vspark.tls.token: unknown key; expected one of {TLS_KEYS}",
        f"4: vspark.tls.tls: unknown key; expected one of {TLS_KEYS}",
        "6: companies[0].name: expected text, got a list",
        "6: companies[0].orgs[0].name: expected text, got a list",
        "7: companies[0].orgs[0].orgs: unknown key; expected one of name, timezone, folders, interval",
    ],
    "sizes": [
        "1: vspark.max_response_size: expected a size such as 64MiB, got '64 MiB'",
        "2: poll.concurrency: must be at least 1",
        "6: agents.max_per_folder: must be at least 1",
    ],
    "interval": [
        "2: poll.interval: expected a duration such as 30s, got 'fast'",
        "6: companies[0].orgs[0].interval: expected a duration such as 30s, got a number without a unit",
    ],
    "interval_key": [
        "1: vspark.token_flie: unknown key; did you mean 'token_file'?",
        "2: poll.intervall: unknown key; did you mean 'interval'?",
        "6: companies[0].orgs[0].intervl: unknown key; did you mean 'interval'?",
    ],
    "stale_after": [
        "2: poll.stale_after: must be at least 2 intervals of companies[1].orgs[0], 1h each",
    ],
    "stats_fields": [
        "4: stats_fields.calls[0]: 'Duration' already means average_duration",
        "4: stats_fields.calls[2]: a name must not be empty",
        "5: stats_fields.average_duration[0]: 'total_duration' already means total_duration",
        "5: stats_fields.average_duration[2]: 'date' already means date",
        "5: stats_fields.average_duration[3]: 'stats' already means a wrapper",
        "6: stats_fields.agents[0]: 'An_Zahl' is duplicated: it is also stats_fields.calls[1]",
        "6: stats_fields.agents[1]: 'name' already means agent_id and folder",
        "6: stats_fields.agents[2]: 'dauer' is duplicated: it is also stats_fields.average_duration[1]",
        "6: stats_fields.agents[3]: 'error' already means an error",
        "6: stats_fields.agents[4]: 'overall' already means an agent's record",
        "7: stats_fields.agent_id[0]: 'day' already means date",
        "7: stats_fields.agent_id[1]: 'folder' already means folder",
        "7: stats_fields.agent_id[3]: 'N_A_M_E' is duplicated: it is also stats_fields.agent_id[2]",
        "8: stats_fields.folder[0]: 'error' already means an error",
        "8: stats_fields.folder[1]: 'an-zahl' is duplicated: it is also stats_fields.calls[1]",
        "8: stats_fields.folder[2]: 'agent' already means agent_id",
        "9: stats_fields.date[0]: 'Sum-Duration' already means total_duration",
        "9: stats_fields.date[1]: 'tag' is duplicated: it is also stats_fields.total_duration[1]",
        "9: stats_fields.date[2]: 'Tag' is duplicated: it is also stats_fields.total_duration[1]",
        "9: stats_fields.date[3]: 'calls' already means calls",
        "10: stats_fields.total_duration[0]: 'agentstats' already means agents",
        (
            "11: stats_fields.duration_unit: 'Minute' is not one of seconds, milliseconds, minutes; "
            "did you mean 'minutes'?"
        ),
    ],
    "stats_jq": [
        "3: stats_jq: is not a jq program: rows/1 is not defined (line 2 of the program, column 3)",
    ],
    "tab": [
        (
            "2: while scanning for the next token, found character that cannot start any token; the line "
            "contains a tab: indent with spaces (column 1)"
        ),
    ],
    "tag": [
        "1: vspark.url: is missing",
        "2: vspark.token: expected text, got another type; put it in quotes",
    ],
    "tls": [
        "4: vspark.tls.server_name: a name must not be empty",
        "4: vspark.tls.key_file: is missing; cert_file needs it",
        "4: vspark.tls: needs a vspark.url that begins with https://",
    ],
    "tls_key": [
        "4: vspark.tls.cert_file: is missing; key_file needs it",
    ],
    "tokens": [
        "4: vspark.token_file: token is set too: give only one of token, token_file, token_env",
        f"7: companies[0].token_file: {NOT_SHOWN}",
        "7: companies[0].token_file: token is set too: give only one of token, token_file, token_env",
        "8: companies[0].token_env: token is set too: give only one of token, token_file, token_env",
    ],
    "types": [
        "2: vspark.url: expected text, got a list",
        "3: vspark.token: expected text, got a list",
        "4: vspark.timeout: expected a duration such as 30s, got a mapping",
        "5: vspark.max_response_size: expected a size such as 64MiB, got true or false",
        "6: vspark.tls: expected a mapping, got true or false",
        "7: poll: expected a mapping, got a list",
        "8: companies: expected a list, got a mapping",
        "11: agents.enabled: expected true or false, got text",
        "12: agents.max_per_folder: expected a whole number, got a number",
        "13: agents.include: expected text, got a date; put it in quotes",
        "14: agents.exclude: expected text, got another type",
        "16: stats_fields.calls: expected a list, got text",
        "17: stats_fields.agents[0]: expected text, got a whole number; put it in quotes",
        "17: stats_fields.agents[1]: expected text, got nothing",
        "17: stats_fields.agents[2]: expected text, got another type; put it in quotes",
    ],
    "units": [
        "4: vspark.timeout: expected a duration such as 30s, got a number without a unit",
        "5: vspark.max_response_size: expected a size such as 64MiB, got a number without a unit",
        "7: poll.interval: expected a duration such as 30s, got '1.5m'",
        "8: poll.stale_after: must be more than 0",
        (
            "9: poll.previous_day_for: must be at most 1d, such as 6h: the finished day's values end at the next "
            "midnight"
        ),
        "13: companies[0].orgs[0].interval: expected a duration such as 30s, got '60'",
        "14: companies[0].orgs[1].interval: expected a duration such as 30s, got '-5s'",
        "15: companies[0].orgs[2].interval: expected a duration such as 30s, got '30s1h'",
        "16: companies[0].orgs[3].interval: expected a duration such as 30s, got '5 m'",
        "17: companies[0].orgs[4].interval: expected a duration such as 30s, got ''",
    ],
    "unknown_keys": [
        "1: vpsark: unknown key; did you mean 'vspark'?",
        (
            "5: vspark.pasword: unknown key; expected one of url, timeout, max_response_size, tls, token, token_file, "
            "token_env"
        ),
        "6: vspark.time_out: unknown key; did you mean 'timeout'?",
        "7: vspark: unknown key, not shown because it may be a token; is a space missing after a colon?",
        "10: companies[0].orgs[0].time-zone: unknown key; did you mean 'timezone'?",
        "11: companies[0]: expected text as a key, got a whole number; put it in quotes",
        "12: companies[0]: expected text as a key, got true or false; put it in quotes",
    ],
    "zones": [
        "6: companies[0].orgs[1].timezone: unknown time zone 'US/Estern'; did you mean 'US/Eastern'?",
        "7: companies[0].orgs[2].timezone: unknown time zone '../x'; expected a name such as 'US/Eastern'",
        "8: companies[0].orgs[3].timezone: unknown time zone '/etc/passwd'; expected a name such as 'US/Eastern'",
        "9: companies[0].orgs[4].timezone: unknown time zone 'America'; did you mean 'America/Nuuk'?",
        "10: companies[0].orgs[5].timezone: unknown time zone ''; expected a name such as 'US/Eastern'",
        "11: companies[0].orgs[6].timezone: unknown time zone 'UTC\\x00'; did you mean 'UTC'?",
        (
            "12: companies[0].orgs[7].timezone: unknown time zone 'Middle-earth/Shire'; "
            "expected a name such as 'US/Eastern'"
        ),
    ],
}


def messages(path: Path) -> list[str]:
    """Load a file that is rejected, and return every message after the name of the file."""
    with pytest.raises(ExceptionGroup) as caught:
        load_config(path, ENVIRON)
    assert all(type(error) is ConfigError for error in caught.value.exceptions)
    texts = [str(error) for error in caught.value.exceptions]
    assert [text for text in texts if not text.startswith(f"{path}:")] == []
    return [text.removeprefix(f"{path}:").lstrip().replace(str(path.parent), "{folder}") for text in texts]


@pytest.mark.parametrize("name", MESSAGES)
def test_every_problem_of_a_bad_file_is_reported_with_its_line(name: str) -> None:
    assert messages(BAD / f"{name}.yaml") == MESSAGES[name]


def test_every_bad_file_is_in_the_table() -> None:
    assert {path.stem for path in BAD.glob("*.yaml")} == MESSAGES.keys()


def test_no_message_contains_a_token_or_a_line_break() -> None:
    shown = [message for name in MESSAGES for message in messages(BAD / f"{name}.yaml")]
    assert not [message for message in shown if "s3cret" in message or "canary" in message or not message.isprintable()]


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    assert messages(tmp_path / "absent.yaml") == ["cannot read the file: No such file or directory"]


def test_the_shortest_file() -> None:
    assert load_config(GOOD / "minimal.yaml") == Config(
        vspark=Vspark(
            url="http://localhost:3000",
            token=LiteralToken("0d1f-minimal"),
            timeout_seconds=Duration(10),
            max_response_bytes=Size(64 * 1024 * 1024),
            tls=Tls(ca_file=None, cert_file=None, key_file=None, server_name=None, insecure_skip_verify=False),
        ),
        poll=Poll(interval_seconds=Duration(60), concurrency=4, stale_after_seconds=None),
        companies=(
            Company(
                name="DocTestCo",
                orgs=(Org(name="DocTestCo-DocTesting", timezone=None, folders=None, interval_seconds=None),),
            ),
        ),
        agents=Agents(enabled=True, max_per_folder=1000, include=".*", exclude="", hash_key_file=None),
        stats_fields=StatsFields(
            calls=(),
            average_duration=(),
            total_duration=(),
            agents=(),
            agent_id=(),
            folder=(),
            date=(),
            duration_unit="seconds",
        ),
        stats_jq="",
    )


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Return the good files, with the certificates that one of them names."""
    equip(shutil.copytree(GOOD, tmp_path / "good"))
    return tmp_path / "good"


def test_every_key(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(good.parent)  # relative paths are those of the file, made absolute
    file = good / "token"
    assert load_config(Path("good/full.yaml"), ENVIRON) == Config(
        vspark=Vspark(
            url="https://[::1]:8443/v-spark",
            timeout_seconds=Duration(90),
            max_response_bytes=Size(10_000_000),
            tls=Tls(
                *(good / "ca.crt", good / "client.crt", good / "client.key"),
                server_name="vspark.example.com",
                insecure_skip_verify=True,
            ),
        ),
        poll=Poll(
            interval_seconds=Duration(0.5),
            concurrency=16,
            stale_after_seconds=Duration(86400),
            previous_day_seconds=DurationOrZero(5400),
        ),
        companies=(
            Company(
                name="Ünïcode & Söhne",
                token_env=EnvToken("SOEHNE_TOKEN", ENVIRON),
                orgs=(
                    Org(
                        name="001",
                        timezone="Europe/Berlin",
                        folders=("007", "no", "a/b c"),
                        interval_seconds=Duration(3600),
                    ),
                    Org(name="002", timezone=None, folders=None),
                ),
            ),
            Company(name="DocTestCo", token_file=FileToken(file), orgs=(Org(name="001", timezone="US/Eastern"),)),
        ),
        agents=Agents(enabled=False, max_per_folder=1, include="[0-9]{3}", exclude="9.*", hash_key_file=file),
        stats_fields=StatsFields(
            calls=("anzahl", "Volume"),
            average_duration=("mittlere-dauer",),
            total_duration=("Gesamtdauer",),
            agents=("Mitarbeiter",),
            agent_id=("name", "Bezeichnung"),
            folder=("Ordner", "Bezeichnung"),
            date=("Datum",),
            duration_unit="milliseconds",
        ),
        stats_jq="{($folder): .report}\n",
    )


def test_merge_keys() -> None:
    (company,) = load_config(GOOD / "merge.yaml").companies or ()
    assert company.orgs == (
        Org(name="first", timezone="US/Eastern", folders=("x",)),
        Org(name="second", timezone="US/Eastern", folders=("x",)),
        Org(name="third", timezone="US/Eastern", folders=("x",), interval_seconds=Duration(30)),
    )


@pytest.mark.parametrize("name", [path.name for path in sorted(GOOD.glob("*.yaml"))])
def test_a_configuration_shows_no_token(good: Path, name: str) -> None:
    shown = repr(load_config(good / name, ENVIRON))
    for token in ("0d1f-minimal", "0d1f-merge", "s3cret-canary", (GOOD / "token").read_text().strip()):
        assert token not in shown
