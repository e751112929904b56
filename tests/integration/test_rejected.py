"""One table of every rejected input with its complete message: testdata/rejected.md, which is there to be read.

`make docs` writes it. A message of the code that no input causes fails the test.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from exporter.cli.main import main
from tests.support.repository import ROOT
from tests.support.tls_files import HASH, equip

TABLE = ROOT / "tests" / "integration" / "testdata" / "rejected.md"
BAD = ROOT / "tests" / "unit" / "config" / "testdata" / "bad"
HEAD = """\
# Rejected inputs

Every input that is rejected, with its complete message on standard error. `make docs` writes this page.

"""
GOOD = """\
vspark: {url: 'http://127.0.0.1:1'}
discovery: {enabled: false}
companies: [{name: Co, token: canary, orgs: [{name: Org, timezone: UTC, folders: [A]}]}]
"""

BACKFILLS = (
    *("h --from 20261101", "h --to 2026-11-01", "h --step 25h", "h --step 0s", "h --pause 1", "h --label job"),
    *("h --label folder=a", ". Co", "gone/h Co", "config.yaml Co", "h Nobody", "h Other/Org"),
    *("h --config.file gone.yaml", "h --raw"),
)
COMMAND_LINES = (
    *("--web.listen-adress :1", "--verbose", "-v", "prob", "serve", "demo --shard 1", "--config.file"),
    *("--config.check=yes", "probe --raw --json", "probe Co/Org Co/Other", "--discover"),
    *(
        "--web.listen-address 10219",
        "--web.listen-address :99999",
        "--web.telemetry-path metrics",
        "--web.telemetry-path /-/ready",
    ),
    *("--web.max-requests many", "--shard -1 --total-shards 3", "--shard 1", "--shard 3 --total-shards 3"),
    *("--config.auto-reload-interval 30", "--config.auto-reload-interval 0s", "--log.level loud"),
    *(
        "--log.format xml",
        "demo --web.config.file gone.yml",
        "--config.check demo",
        "--config.check --config.file gone.yaml",
    ),
    *("backfill", "backfill --to 2026-11-02", "backfill --from 2026-11-01", "backfill --config.file gone.yaml --out h"),
    *(f"backfill --from 2026-11-02 --output {rest}" for rest in BACKFILLS),
    *("--config.check --config.file .", "probe Nobody", "probe Other/Org", "--config.check --web.config.file gone.yml"),
)

_COMPANY = "companies: [{name: Co, token: canary, orgs: [{name: Org, timezone: UTC}]}]"
CONFIG_FILES = (
    *(f"vspark: {{url: {url}}}\n{_COMPANY}" for url in ("'http://a b'", "'http://a:x'", "v-spark", "'http://:1'")),
    *(f"vspark: {{url: 'http://{url}'}}\n{_COMPANY}" for url in ("a:0", "a?b", "a/stats")),
    "vspark: {url: 'http://a'}",
    "vspark: {url: 'http://a'}\ndiscovery: {enabled: false}",
    "vspark: {url: 'http://a'}\ndiscovery: {enabled: false}\ncompanies: [{name: Co, token: canary}]",
    *(f"vspark: {{url: 'http://a'}}\n{_COMPANY.replace('UTC', zone)}" for zone in ("EST5", "'+02:00'", "PST", "Mars")),
    f"vspark: {{url: 'http://a'}}\n{_COMPANY}\npoll: {{concurrency: !!int x}}",
    f"vspark: {{url: 'http://a'}}\n{_COMPANY}\nstats_jq: 'import \"a\" as a; .'",
    f"vspark: {{url: 'http://a'}}\n{_COMPANY}\nstats_jq: \"\\0\"",
    f"vspark: {'[' * 60}{']' * 60}",
    "vspark: \x01",
    f"vspark: {{url: 'http://a'}} {'#' * 17_000_000}",
)

_CERTIFICATE = "cert_file: server.crt, key_file: server.key"
WEB_FILES = (
    "",
    "tls_server_config: {cert_file: server.crt}",
    "tls_server_config: {min_version: TLS13}",
    f"tls_server_config: {{{_CERTIFICATE}, cert: canary, key: canary, client_ca_file: ca.crt, client_ca: canary}}",
    "tls_server_config: {cert_file: gone.crt, key_file: .}",
    'tls_server_config: {cert_file: "-----BEGIN CERTIFICATE-----", key_file: "a\\0b"}',
    "tls_server_config: {cert_file: server.crt, key_file: client.key}",
    "tls_server_config: {cert: canary, key: canary}",
    f"tls_server_config: {{{_CERTIFICATE}, min_version: TLS1.2, max_version: SSL30}}",
    f"tls_server_config: {{{_CERTIFICATE}, min_version: TLS13, max_version: TLS12}}",
    f"tls_server_config: {{{_CERTIFICATE}, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA], curve_preferences: [P256]}}",
    f"tls_server_config: {{{_CERTIFICATE}, cipher_suites: [], curve_preferences: [X25519, CurveP256]}}",
    f"tls_server_config: {{{_CERTIFICATE}, cipher_suites: [TLS_AES_128_GCM_SHA256], max_version: TLS12}}",
    f"tls_server_config: {{{_CERTIFICATE}, client_auth_type: RequestClientCert}}",
    f"tls_server_config: {{{_CERTIFICATE}, client_auth_type: RequireAnyClientCert}}",
    f"tls_server_config: {{{_CERTIFICATE}, client_auth_type: Require}}",
    f"tls_server_config: {{{_CERTIFICATE}, client_auth_type: RequireAndVerifyClientCert}}",
    f"tls_server_config: {{{_CERTIFICATE}, client_auth_type: NoClientCert, client_ca_file: ca.crt}}",
    f"tls_server_config: {{{_CERTIFICATE}, client_auth_type: VerifyClientCertIfGiven, client_ca_file: server.key}}",
    f"tls_server_config: {{{_CERTIFICATE}, client_auth_type: VerifyClientCertIfGiven, client_allowed_sans: [a]}}",
    (
        f"tls_server_config: {{{_CERTIFICATE}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt, "
        "client_allowed_sans: [], min_version: TLS10}"
    ),
    "http_server_config: {http2: true}",
    "http_server_config: {headers: {X-Content-Type-Options: sniff, X-Frame-Options: allow, X-XSS-Protection: 'a\\nb'}}",
    'http_server_config: {headers: {Content-Security-Policy: "a\\nb"}}',
    "basic_auth_users: {alice: secret}",
    f"basic_auth_users: {{'{HASH}': alice, 'a:b': '{HASH}', 7: '{HASH}', bob: 5}}",
    "rate_limit: {interval: 1s}",
    "rate_limit: {interval: 1.5, burst: -1}",
    "rate_limit: {interval: 1 s, burst: 1, brust: 1}",
)

CODE = (
    *sorted((ROOT / "exporter" / "config").glob("*.py")),
    *sorted((ROOT / "exporter" / "web" / "toolkit").glob("*.py")),
    *(ROOT / "exporter" / name for name in ("web/endpoints.py", "cli/main.py", "cli/unknown_flags.py")),
    *(ROOT / "exporter" / "cli" / name for name in ("commands.py", "backfill_flags.py")),
)
"""What rejects inputs."""


ELSEWHERE = (
    *("passwords cannot be", "TLS cannot be", "client certificates cannot be", "the check of clients' names cannot be"),
    *("OpenSSL on this machine does not support", "OpenSSL on this machine supports none of them"),
    ": a Config that load_config returns always has one",
)
"""About a change while the exporter runs (test_web_file), about another OpenSSL (test_web_tls), and about a bug."""


def rejected(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines on standard error, without argparse's list of flags."""
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else -1
    out, errors = capsys.readouterr()
    assert (code, out) in ((2, ""), (1, "")), (arguments, code, out)
    lines = errors.splitlines()
    problems = [line for line in lines if re.match("vspark-exporter( backfill)?: error: ", line)]
    return problems or lines


def row(source: str, message: str) -> str:
    cells = (text.replace("|", "\\|").replace("\t", "→").replace("\x01", "␁").strip() for text in (source, message))
    return "| " + " | ".join(f"`` {cell} ``" if "`" in cell else f"`{cell}`" for cell in cells) + " |\n"


def file_rows(path: Path, messages: list[str]) -> Iterator[str]:
    lines = path.read_text("utf-8", "replace").splitlines()
    for message in messages:
        found = re.match(rf"{re.escape(path.name)}:(\d+): ", message)
        line = lines[int(found[1]) - 1].strip() if found else "(the file)"
        assert "canary" not in message
        yield row(line if len(line) <= 100 else f"{line[:99]}…", message)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    equip(tmp_path)
    for path in BAD.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "config.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("EMPTY_TOKEN", " ")
    monkeypatch.setenv("SOEHNE_TOKEN", "s3cret-canary")
    monkeypatch.setenv("FULL_TOKEN", "s3cret-canary")
    return tmp_path


def table(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    text = HEAD + "## The command line\n\n| arguments | message |\n|---|---|\n"
    for line in COMMAND_LINES:
        text += row(line, " ⏎ ".join(rejected(line.split(), capsys)))
    (folder / "config.yaml").unlink()
    text += row("(no file config.yaml)", " ⏎ ".join(rejected([], capsys)))
    (folder / "config.yaml").write_text(GOOD)
    text += "\n## The configuration\n\n| line of the file | message |\n|---|---|\n"
    for path in sorted(folder.glob("*.yaml")):
        if path.name != "config.yaml":
            found = rejected(["--config.check", "--config.file", path.name], capsys)
            text += "".join(file_rows(path, found))
    for content in CONFIG_FILES:
        path = folder / "more.yaml"
        path.write_text(f"{content}\n")
        text += "".join(file_rows(path, rejected(["--config.check", "--config.file", path.name], capsys)))
    text += "\n## The web configuration\n\n| line of the file | message |\n|---|---|\n"
    web = folder / "web.yml"
    for content in WEB_FILES:
        web.write_text(f"{content}\n")
        text += "".join(file_rows(web, rejected(["--config.check", "--web.config.file", "web.yml"], capsys)))
    return text.replace(str(folder), "/FOLDER").replace(HASH, "$2b$04$…")


def test_the_table_is_complete_and_as_it_was_reviewed(
    folder: Path, capsys: pytest.CaptureFixture[str], pytestconfig: pytest.Config
) -> None:
    found = table(folder, capsys)
    if pytestconfig.getoption("golden"):
        TABLE.write_text(found, "utf-8")
    assert found == TABLE.read_text("utf-8")


def messages_of_the_code() -> Iterator[tuple[str, str]]:
    """Yield the place and the longest constant part of each message that the code rejects an input with."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            texts: list[ast.expr] = []
            match node:
                case ast.Raise(exc=ast.Call(func=ast.Name(id="ValueError"), args=[text])):
                    texts = [text]
                case ast.Call(func=ast.Name(id="ConfigError"), args=[_, text]):
                    texts = [text]
                case ast.Call(func=ast.Attribute(attr="_reject" | "error"), args=[_, text, *_]):
                    texts = [text]
                case ast.Yield(value=ast.Tuple(elts=[_, text])):
                    texts = [text]
            for text in texts:
                parts = [
                    part.value for part in ast.walk(text) if isinstance(part, ast.Constant) and type(part.value) is str
                ]
                if parts:
                    yield f"{path.relative_to(ROOT)}:{text.lineno}", max(parts, key=len)


def test_every_message_of_the_code_is_in_the_table() -> None:
    reviewed = TABLE.read_text("utf-8").replace("\\|", "|")
    missing = [each for each in messages_of_the_code() if each[1].strip() not in reviewed]
    assert [each for each in missing if not each[1].startswith(ELSEWHERE)] == []
    assert len(missing) == len(ELSEWHERE)
