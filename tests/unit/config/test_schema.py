from pathlib import Path

import pytest

from exporter.config.schema import Agents, Company, Config, Org, Poll, StatsFields, Tls, Vspark, load_config
from exporter.config.tokens import EnvToken, FileToken, LiteralToken
from exporter.config.units import Duration, Size
from exporter.errors import ConfigError

NOT_SHOWN = "there is no such file; its name is not shown, for it may be the token itself"

TESTDATA = Path(__file__).parent / "testdata"
GOOD = TESTDATA / "good"
BAD = TESTDATA / "bad"
ENVIRON = {"EMPTY_TOKEN": " \n", "FULL_TOKEN": "s3cret-canary", "SOEHNE_TOKEN": "s3cret-canary"}

MESSAGES: dict[str, list[str]] = {
    "alias": [
        "line 2, column 10: found undefined alias",
    ],
    "duplicate_key": [
        "line 4, column 3: the key 'url' stands twice",
    ],
    "duplicates": [
        "companies[0].orgs[0].folders[2]: 'a' stands twice",
        "companies[0].orgs[0].folders[4]: 'a' stands twice",
        "companies[0].orgs[1].name: 'x' stands twice",
        "companies[2].name: 'A' stands twice",
    ],
    "empty": [
        "'{folder}/empty.yaml' is empty",
    ],
    "everything": [
        "vspark.url: a URL cannot hold a user or a password here",
        "vspark.tls.ca_file: cannot read '{folder}/absent.pem': No such file or directory",
        "poll.interval: 'fast' is no duration such as '500ms', '30s' or '1h30m'",
        "companies[0].orgs[0].timezone: unknown time zone 'US/Estern'; did you mean 'US/Eastern'?",
        "companies[0].orgs[1].foldrs: unknown key; did you mean 'folders'?",
        "companies[0].orgs[1].name: 'x' stands twice",
        "companies[1].orgs: expected a list, got true or false",
        "agents.include: '(' is no regular expression: missing ), unterminated subpattern at position 0",
        "companies[1].name: 'A' stands twice",
    ],
    "files": [
        f"vspark.token_file: {NOT_SHOWN}",
        "vspark.tls.ca_file: cannot read '{folder}/absent.pem': No such file or directory",
        "vspark.tls.cert_file: cannot read '{folder}': Is a directory",
        "vspark.tls.key_file: '{folder}/a\\x00b' is no path",
        "companies[0].token_file: '{folder}/empty-file' holds no token: a token cannot be empty",
        (
            "companies[1].token_file: '{folder}/two-words' holds no token: "
            "a token cannot hold white space or control characters"
        ),
        "companies[2].token_file: cannot read '{folder}/../bad': Is a directory",
        "companies[3].token_env: the environment variable is not set",
        "companies[4].token_env: the environment variable holds no token: a token cannot be empty",
        "companies[5].token: a token cannot hold white space or control characters",
        (
            "agents.hash_key_file: '{folder}/empty-file' holds 0 bytes; a key has at least 16: "
            "make one by `openssl rand -hex 32`"
        ),
    ],
    "latin1": [
        "line 2: no UTF-8 text",
    ],
    "list": [
        "expected a mapping, got a list",
    ],
    "missing": [
        "vspark.url: is missing",
        "companies[0].name: is missing",
        "companies[0].orgs: is missing",
        "companies[1].orgs[0].name: is missing",
        "companies[1].name: is missing",
        "companies[0]: has no token; give token_file, token_env or token, here or under vspark",
        "companies[1]: has no token; give token_file, token_env or token, here or under vspark",
    ],
    "names": [
        "companies[0].name: a name cannot be empty",
        "companies[0].orgs[0].name: a name cannot be '..', which vanishes from a URL",
        "companies[0].orgs[0].folders[0]: a name cannot be '.', which vanishes from a URL",
        "companies[0].orgs[0].folders[1]: 'a\\tb' holds a control character or half of a character",
        "companies[0].orgs[0].folders[2]: '\\x85' holds a control character or half of a character",
        "companies[0].orgs[0].folders[4]: a name cannot be empty",
        "companies[1].name: 'line\\nbreak' holds a control character or half of a character",
        "companies[1].orgs: has to name at least one",
        "companies[2].orgs[0].folders: has to name at least one",
    ],
    "no_token": [
        "companies[0]: has no token; give token_file, token_env or token, here or under vspark",
        "companies[2]: has no token; give token_file, token_env or token, here or under vspark",
    ],
    "not_text": [
        "vspark.token: expected text, got a whole number; put it in quotes",
        "companies[0].name: expected text, got a whole number; put it in quotes",
        "companies[0].token: expected text, got a number; put it in quotes",
        "companies[0].orgs[0].name: expected text, got true or false; put it in quotes",
        "companies[0].orgs[0].timezone: expected text, got a whole number; put it in quotes",
        "companies[0].orgs[0].folders[0]: expected text, got a whole number; put it in quotes",
        "companies[0].orgs[0].folders[1]: expected text, got a date; put it in quotes",
        "companies[0].orgs[0].folders[2]: expected text, got a whole number; put it in quotes",
        "companies[0].orgs[0].folders[3]: expected text, got nothing",
    ],
    "nothing": [
        "vspark: expected a mapping, got nothing",
        "companies: expected a list, got nothing",
    ],
    "patterns": [
        "agents.include: '[0-9' is no regular expression: unterminated character set at position 0",
        "agents.exclude: '*' is no regular expression: nothing to repeat at position 0",
    ],
    "recursive": [
        "vspark.token: expected text, got a mapping",
        "vspark.tls.url: unknown key",
        "vspark.tls.token: unknown key",
        "vspark.tls.tls: unknown key",
        "companies[0].name: expected text, got a list",
        "companies[0].orgs[0].name: expected text, got a list",
        "companies[0].orgs[0].orgs: unknown key",
    ],
    "sizes": [
        "vspark.max_response_size: '64 MiB' is no size such as '64MiB' or '10MB'",
        "poll.concurrency: expected int >= 1",
        "agents.max_per_folder: expected int >= 1",
    ],
    "stale_after": [
        "poll.stale_after: has to be at least 2 intervals of companies[1].orgs[0], 1h each",
    ],
    "stats_fields": [
        "stats_fields.calls[0]: 'Duration' means average_duration already",
        "stats_fields.calls[2]: a name cannot be empty",
        "stats_fields.average_duration[0]: 'total_duration' means the total duration already",
        "stats_fields.average_duration[2]: 'date' means a date already",
        "stats_fields.average_duration[3]: 'stats' means a wrapper already",
        "stats_fields.agents[0]: 'An_Zahl' stands under calls[1] already",
        "stats_fields.agents[1]: 'name' means a folder already",
        "stats_fields.agents[2]: 'dauer' stands under average_duration[1] already",
        "stats_fields.agents[3]: 'error' means an error already",
        "stats_fields.agents[4]: 'overall' means an agent's record already",
    ],
    "tab": [
        (
            "line 2, column 1: while scanning for the next token, found character that cannot start any token, "
            "there is a tab: indent with spaces"
        ),
    ],
    "tag": [
        "line 2, column 10: an unknown tag; put text that begins with '!' in quotes",
    ],
    "tls": [
        "vspark.tls.server_name: a name cannot be empty",
        "vspark.tls.key_file: is missing beside cert_file",
        "vspark.tls: the URL does not begin with https://",
    ],
    "tls_key": [
        "vspark.tls.cert_file: is missing beside key_file",
    ],
    "tokens": [
        "vspark.token_file: stands beside token; exactly one token can be given",
        f"companies[0].token_file: {NOT_SHOWN}",
        "companies[0].token_file: stands beside token; exactly one token can be given",
        "companies[0].token_env: stands beside token; exactly one token can be given",
    ],
    "types": [
        "vspark.url: expected text, got a list",
        "vspark.token: expected text, got a list",
        "vspark.timeout: expected text, got a mapping",
        "vspark.max_response_size: expected text, got true or false; write a unit: '64MiB'",
        "vspark.tls: expected a mapping, got true or false",
        "poll: expected a mapping, got a list",
        "companies: expected a list, got a mapping",
        "agents.enabled: expected true or false, got text",
        "agents.max_per_folder: expected a whole number, got a number",
        "agents.include: expected text, got a date; put it in quotes",
        "agents.exclude: expected text, got something else; put it in quotes",
        "stats_fields.calls: expected a list, got text",
        "stats_fields.agents[0]: expected text, got a whole number; put it in quotes",
        "stats_fields.agents[1]: expected text, got nothing",
        "stats_fields.agents[2]: expected text, got something else; put it in quotes",
    ],
    "units": [
        "vspark.timeout: expected text, got a whole number; write a unit: '30s'",
        "vspark.max_response_size: expected text, got a whole number; write a unit: '64MiB'",
        "poll.interval: '1.5m' is no duration such as '500ms', '30s' or '1h30m'",
        "poll.stale_after: has to be more than 0",
        "companies[0].orgs[0].interval: '60' is no duration such as '500ms', '30s' or '1h30m'",
        "companies[0].orgs[1].interval: '-5s' is no duration such as '500ms', '30s' or '1h30m'",
        "companies[0].orgs[2].interval: '30s1h' is no duration such as '500ms', '30s' or '1h30m'",
        "companies[0].orgs[3].interval: '5 m' is no duration such as '500ms', '30s' or '1h30m'",
        "companies[0].orgs[4].interval: '' is no duration such as '500ms', '30s' or '1h30m'",
    ],
    "unknown_keys": [
        "vpsark: unknown key; did you mean 'vspark'?",
        "vspark.pasword: unknown key",
        "vspark.time_out: unknown key; did you mean 'timeout'?",
        "vspark: key 5 is unknown; it is not shown, for it may be a token: is the space behind a colon missing?",
        "companies[0].orgs[0].time-zone: unknown key; did you mean 'timezone'?",
        "companies[0]: expected text as a key, got a whole number; put it in quotes",
        "companies[0]: expected text as a key, got true or false; put it in quotes",
    ],
    "zones": [
        "companies[0].orgs[1].timezone: unknown time zone 'US/Estern'; did you mean 'US/Eastern'?",
        "companies[0].orgs[2].timezone: unknown time zone '../x'",
        "companies[0].orgs[3].timezone: unknown time zone '/etc/passwd'",
        "companies[0].orgs[4].timezone: unknown time zone 'America'; did you mean 'America/Nuuk'?",
        "companies[0].orgs[5].timezone: unknown time zone ''",
        "companies[0].orgs[6].timezone: unknown time zone 'UTC\\x00'; did you mean 'UTC'?",
        "companies[0].orgs[7].timezone: unknown time zone 'Middle-earth/Shire'",
    ],
}


def messages(path: Path) -> list[str]:
    """Load what must not load, and give every message, with the file's folder as `{folder}`."""
    with pytest.raises(ExceptionGroup) as caught:
        load_config(path, ENVIRON)
    assert all(type(error) is ConfigError for error in caught.value.exceptions)
    return [str(error).replace(str(path.parent), "{folder}") for error in caught.value.exceptions]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_bad_file_is_refused_with_all_that_is_wrong_with_it(name: str) -> None:
    assert messages(BAD / f"{name}.yaml") == MESSAGES[name]


def test_every_bad_file_is_in_the_table() -> None:
    assert {path.stem for path in BAD.glob("*.yaml")} == MESSAGES.keys()


def test_no_message_holds_a_token_or_a_line_break() -> None:
    shown = [message for name in MESSAGES for message in messages(BAD / f"{name}.yaml")]
    assert not [message for message in shown if "s3cret" in message or "canary" in message or not message.isprintable()]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert messages(tmp_path / "absent.yaml") == ["cannot read '{folder}/absent.yaml': No such file or directory"]


def test_the_least_that_is_needed() -> None:
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
        stats_fields=StatsFields(calls=(), average_duration=(), agents=()),
    )


def test_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TESTDATA)  # relative paths are those of the file, made absolute
    file = GOOD / "token"
    assert load_config(Path("good/full.yaml"), ENVIRON) == Config(
        vspark=Vspark(
            url="https://[::1]:8443/v-spark",
            timeout_seconds=Duration(90),
            max_response_bytes=Size(10_000_000),
            tls=Tls(file, file, file, server_name="vspark.example.com", insecure_skip_verify=True),
        ),
        poll=Poll(interval_seconds=Duration(0.5), concurrency=16, stale_after_seconds=Duration(86400)),
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
            calls=("anzahl", "Volume"), average_duration=("mittlere-dauer",), agents=("Mitarbeiter",)
        ),
    )


def test_merge_keys() -> None:
    (company,) = load_config(GOOD / "merge.yaml").companies
    assert company.orgs == (
        Org(name="first", timezone="US/Eastern", folders=("x",)),
        Org(name="second", timezone="US/Eastern", folders=("x",)),
        Org(name="third", timezone="US/Eastern", folders=("x",), interval_seconds=Duration(30)),
    )


@pytest.mark.parametrize("path", sorted(GOOD.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_configuration_shows_no_token(path: Path) -> None:
    shown = repr(load_config(path, ENVIRON))
    for token in ("0d1f-minimal", "0d1f-merge", "s3cret-canary", (GOOD / "token").read_text().strip()):
        assert token not in shown
