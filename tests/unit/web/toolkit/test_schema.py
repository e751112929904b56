from pathlib import Path

import pytest

from exporter.errors import ConfigError
from exporter.web.toolkit.file import WebConfigFile
from exporter.web.toolkit.schema import Headers, HttpServer, PrivateKey, RateLimit, TlsServer, WebConfig
from tests.support.repository import ROOT
from tests.support.tls_files import HASH, PASSWORD, equip, write

SECRETS = (HASH, PASSWORD, "canary")
BASE = "cert_file: server.crt, key_file: server.key"
REQUIRED = f"{BASE}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    equip(tmp_path)
    (tmp_path / "text").write_text("nothing")
    return tmp_path


def rejections(folder: Path, text: str) -> list[str]:
    """Return every message about a file that is rejected, after the name of the file."""
    path = write(folder, text)
    with pytest.raises(ExceptionGroup) as caught:
        WebConfigFile(path)
    assert [type(error) for error in caught.value.exceptions] == [ConfigError] * len(caught.value.exceptions)
    texts = [str(error) for error in caught.value.exceptions]
    assert [each for each in texts if not each.startswith(f"{path}:")] == []
    messages = [each.removeprefix(f"{path}:").lstrip().replace(str(folder), "{folder}") for each in texts]
    assert [message for message in messages for secret in SECRETS if secret in message] == []
    return messages


EVERYTHING = f"""\
tls_server_config:
  cert_file: server.crt
  key_file: {{folder}}/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [prometheus.example]
  min_version: TLS12
  max_version: TLS13
  cipher_suites:
    - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    - TLS_AES_128_GCM_SHA256
  prefer_server_cipher_suites: true
  curve_preferences: [X25519]
http_server_config:
  http2: false
  headers:
    Content-Security-Policy: "default-src 'self' *.test.example.net"
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: 1
    Strict-Transport-Security: max-age=31536000; includeSubDomains
basic_auth_users:
  alice: {HASH}
  "007": {HASH.replace("$2b$", "$2y$")}
rate_limit:
  interval: 1m0.5s
  burst: 20
"""


def test_every_key(folder: Path) -> None:
    config = WebConfigFile(write(folder, EVERYTHING.replace("{folder}", str(folder)))).config
    assert config.tls == TlsServer(
        cert_file=folder / "server.crt",
        key_file=folder / "server.key",
        client_auth_type="RequireAndVerifyClientCert",
        client_ca_file=folder / "ca.crt",
        client_allowed_sans=("prometheus.example",),
        min_version="TLS12",
        max_version="TLS13",
        cipher_suites=("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
        prefer_server_cipher_suites=True,
        curve_preferences=("X25519",),
    )
    assert config.headers == {
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "deny",
        "X-XSS-Protection": "1",
        "Content-Security-Policy": "default-src 'self' *.test.example.net",
    }
    assert {name: each.matches(PASSWORD.encode()) for name, each in config.users.items()} == {
        "alice": True,
        "007": True,
    }
    assert config.rate_limit is not None
    assert (config.rate_limit.interval_seconds, config.rate_limit.burst) == (60.5, 20)


# From the toolkit's own documentation and tests


@pytest.mark.parametrize(
    "text",
    [
        # its sample
        (
            "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
            "basic_auth_users:\n"
            "  alice: $2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze\n"
            "  bob: $2y$10$hLqFl9jSjoAAy95Z/zw8Ye8wkdMBM8c5Bn1ptYqP/AXyV0.oy0S8m\n"
            'rate_limit:\n  interval: "1s"\n  burst: 20\n'
        ),
        "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n",
        f"tls_server_config: {{{REQUIRED}}}",
        f"tls_server_config: {{{BASE}, client_auth_type: VerifyClientCertIfGiven}}",
        (
            f"tls_server_config: {{{BASE}, client_auth_type: VerifyClientCertIfGiven, cipher_suites: ["
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "
            "TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, "
            "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, "
            "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA]}"
        ),
        (
            f"tls_server_config: {{{BASE}, max_version: TLS12, "
            "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]}\nhttp_server_config: {http2: false}"
        ),
        f"tls_server_config: {{{BASE}, min_version: TLS13, curve_preferences: [CurveP521]}}",
        "rate_limit:\n  interval: 0\n  burst: 0\n",
        # as generators of such files write it
        "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\nrate_limit:\n",
        "http_server_config: {headers: {X-Frame-Options: sameorigin, X-XSS-Protection: ''}}",
        f"tls_server_config: {{{BASE}, client_ca_file: '', client_auth_type: '', cipher_suites: [], cert: ''}}",
        "{}",
    ],
)
def test_files_that_exist_are_accepted(folder: Path, text: str) -> None:
    WebConfigFile(write(folder, text))


def test_empty_blocks_mean_no_tls_and_no_users(folder: Path) -> None:
    file = WebConfigFile(write(folder, "tls_server_config: {}\nbasic_auth_users:\nhttp_server_config: {headers: }\n"))
    assert file.tls is None
    assert (file.config.tls, file.config.users, file.config.headers) == (None, {}, {})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("0s", 0), ("1s", 1), ("500ms", 0.5), ("1.5h", 5400), (".5s", 0.5), ("1h1m1s", 3661), ("2us", 2e-6)],
)
def test_intervals_as_go_writes_them(folder: Path, text: str, seconds: float) -> None:
    limit = WebConfigFile(write(folder, f"rate_limit: {{interval: {text}, burst: 1}}")).config.rate_limit
    assert limit is not None
    assert limit.interval_seconds == pytest.approx(seconds)


def test_the_documentation_has_every_key_and_its_example_loads(folder: Path) -> None:
    page = (ROOT / "docs" / "web-configuration.md").read_text("utf-8")
    for block in (WebConfig, TlsServer, HttpServer, Headers, RateLimit):
        assert [key for key in block.__struct_encode_fields__ if f"`{key}`" not in page] == []
    example = page.partition("```yaml\n")[2].partition("```")[0]
    assert [*WebConfigFile(write(folder, example)).config.users] == ["prometheus"]


# What is rejected, in whole messages


TLS_REJECTIONS: dict[str, list[str]] = {
    "cert_file: server.crt": ["key_file: is missing; TLS needs key_file or key"],
    "key_file: server.key": ["cert_file: is missing; TLS needs cert_file or cert"],
    "min_version: TLS13": [
        "cert_file: is missing; TLS needs cert_file or cert",
        "key_file: is missing; TLS needs key_file or key",
    ],
    f"{BASE}, cert: canary, key: canary": [
        "cert_file: cert is set too: give only one of cert, cert_file",
        "key_file: key is set too: give only one of key, key_file",
    ],
    f"{REQUIRED}, client_ca: canary": [
        "client_ca_file: client_ca is set too: give only one of client_ca, client_ca_file"
    ],
    "cert_file: gone, key_file: .": [
        "cert_file: cannot read '{folder}/gone': No such file or directory",
        "key_file: cannot read '{folder}': Is a directory",
    ],
    'cert_file: "-----BEGIN canary", key_file: "canary\\ncanary"': [
        "cert_file: is not a file name; the text of a certificate or key goes under cert, key or client_ca",
        "key_file: is not a file name; the text of a certificate or key goes under cert, key or client_ca",
    ],
    "cert_file: text, key_file: server.key": [
        (
            "cert_file: no certificate in {folder}/text with the key in {folder}/server.key: "
            "it contains none, or the key is encrypted"
        )
    ],
    "cert_file: server.crt, key_file: client.key": [
        "cert_file: no certificate in {folder}/server.crt with the key in {folder}/client.key: key values mismatch"
    ],
    "cert: canary, key: canary": [
        (
            "cert: no certificate in the file itself with the key in the file itself: "
            "it contains none, or the key is encrypted"
        )
    ],
    REQUIRED.replace("ca.crt", "text"): [
        "client_ca_file: no CA certificates in {folder}/text: no certificate or crl found"
    ],
    f"{BASE}, client_auth_type: RequireAndVerifyClientCert, client_ca: canärie": [
        "client_ca: no CA certificates in the file itself: no certificate or crl found"
    ],
    f"{BASE}, client_auth_type: RequestClientCert": [
        (
            "client_auth_type: 'RequestClientCert' requests a certificate but does not verify it, "
            "which Python's ssl does not support; use NoClientCert, which accepts the same clients"
        )
    ],
    f"{BASE}, client_auth_type: RequireAnyClientCert": [
        (
            "client_auth_type: 'RequireAnyClientCert' requests a certificate but does not verify it, "
            "which Python's ssl does not support; use RequireAndVerifyClientCert with client_ca_file"
        )
    ],
    f"{BASE}, client_auth_type: RequireClientCert": [
        (
            "client_auth_type: 'RequireClientCert' requests a certificate but does not verify it, "
            "which Python's ssl does not support; use RequireAndVerifyClientCert with client_ca_file"
        )
    ],
    f"{BASE}, client_auth_type: requireandverifyclientcert": [
        (
            "client_auth_type: 'requireandverifyclientcert' is not a client authentication type; "
            "did you mean 'RequireAndVerifyClientCert'?"
        )
    ],
    f"{BASE}, client_auth_type: x": [
        (
            "client_auth_type: 'x' is not a client authentication type, expected NoClientCert, "
            "VerifyClientCertIfGiven, RequireAndVerifyClientCert"
        )
    ],
    f"{BASE}, client_auth_type: RequireAndVerifyClientCert": [
        ("client_ca_file: is missing; without it, the certificates of any CA that this machine trusts are valid")
    ],
    f"{BASE}, client_ca_file: ca.crt": [
        "client_ca_file: has no effect with client_auth_type NoClientCert; use RequireAndVerifyClientCert"
    ],
    f"{BASE}, client_ca: canary, client_auth_type: NoClientCert": [
        "client_ca: has no effect with client_auth_type NoClientCert; use RequireAndVerifyClientCert"
    ],
    f"{BASE}, client_allowed_sans: [a]": [
        "client_allowed_sans: NoClientCert accepts clients without a certificate; use RequireAndVerifyClientCert"
    ],
    f"{BASE}, client_auth_type: VerifyClientCertIfGiven, client_allowed_sans: [a]": [
        (
            "client_allowed_sans: VerifyClientCertIfGiven accepts clients without a certificate; "
            "use RequireAndVerifyClientCert"
        )
    ],
    f"{REQUIRED}, client_allowed_sans: []": ["client_allowed_sans: must not be empty"],
    f"{BASE}, min_version: TLS111, max_version: SSL30": [
        "min_version: 'TLS111' is not a TLS version; did you mean 'TLS11'?",
        "max_version: 'SSL30' is not a TLS version, expected TLS10, TLS11, TLS12, TLS13",
    ],
    f"{BASE}, min_version: TLS13, max_version: TLS12": ["min_version: TLS13 is above max_version, TLS12"],
    f"{REQUIRED}, min_version: TLS11": [
        "min_version: below TLS12, RequireAndVerifyClientCert would accept broken signatures; use TLS12"
    ],
    f"{BASE}, cipher_suites: [TLS_AES_128_GCM_SHA256], max_version: TLS12": [
        "cipher_suites: contains only suites for TLS 1.3, but max_version is TLS12"
    ],
    f"{BASE}, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048, TLS_RSA_WITH_RC4_128_SHA]": [
        (
            "cipher_suites[0]: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048' is not a cipher suite that Go considers "
            "secure; did you mean 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'?"
        ),
        (
            "cipher_suites[1]: 'TLS_RSA_WITH_RC4_128_SHA' is not a cipher suite that Go considers secure; "
            "did you mean 'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA'?"
        ),
    ],
    f"{BASE}, curve_preferences: [CurveP257]": [
        "curve_preferences[0]: 'CurveP257' is not a curve; did you mean 'CurveP256'?"
    ],
    f"{BASE}, curve_preferences: [CurveP256, X25519]": [
        "curve_preferences: Python's ssl supports one curve; keep one, or remove the key to offer all of OpenSSL's"
    ],
    f"{BASE}, prefer_server_cipher_suites: 'yes'": ["prefer_server_cipher_suites: expected true or false, got text"],
    "cert_filse: server.crt, key_file: server.key": ["cert_filse: unknown key; did you mean 'cert_file'?"],
}


@pytest.mark.parametrize("tls", TLS_REJECTIONS)
def test_tls_settings_that_are_rejected(folder: Path, tls: str) -> None:
    expected = [f"1: tls_server_config.{message}" for message in TLS_REJECTIONS[tls]]
    assert rejections(folder, f"tls_server_config: {{{tls}}}") == expected


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("", ["the file is empty"]),
        ("canary\n", ["1: expected a mapping, got text"]),
        ("tls_server_config: canary", ["1: tls_server_config: expected a mapping, got text"]),
        (
            "http_server_config: {http2: true}",
            [
                "1: http_server_config.http2: this server supports only HTTP/1.1; remove the key or set it to false",
            ],
        ),
        (
            (
                "http_server_config: {headers: {Content-Type: x, X-Frame-Options: foo, X-Content-Type-Options: sniff, "
                'Strict-Transport-Security: "a\\r\\nb"}}'
            ),
            [
                "1: http_server_config.headers.Content-Type: unknown key; did you mean 'X-Content-Type-Options'?",
                (
                    "1: http_server_config.headers.X-Frame-Options: 'foo' is not a value of this header, "
                    "expected deny or sameorigin"
                ),
                (
                    "1: http_server_config.headers.X-Content-Type-Options: 'sniff' is not a value of this header, "
                    "expected nosniff"
                ),
                (
                    "1: http_server_config.headers.Strict-Transport-Security: "
                    "a header must not contain control characters or line breaks"
                ),
            ],
        ),
        (
            (
                f"basic_auth_users: {{john: canary, 7: '{HASH}', 'a:b': '{HASH}', jane: , 'with space': 5, "
                f"'{HASH}': alice, x: '{HASH}x', y: '{HASH.replace('$2b$', '$2$')}', '': '{HASH[:-1]}'}}"
            ),
            [
                "1: basic_auth_users.john: is not a bcrypt hash; `htpasswd -nBC 10 USER` creates one",
                "1: basic_auth_users: expected text as a key, got a whole number; put it in quotes",
                "1: basic_auth_users: the name of a user must not contain ':', which ends the name in a request",
                "1: basic_auth_users.jane: expected text, got nothing",
                '1: basic_auth_users["with space"]: expected text, got a whole number; put it in quotes',
                "1: basic_auth_users: the name of a user goes before the hash, not after it",
                "1: basic_auth_users.x: is not a bcrypt hash; `htpasswd -nBC 10 USER` creates one",
                "1: basic_auth_users.y: is not a bcrypt hash; `htpasswd -nBC 10 USER` creates one",
                '1: basic_auth_users[""]: is not a bcrypt hash; `htpasswd -nBC 10 USER` creates one',
            ],
        ),
        (f"basic_auth_users:\n  a: {HASH}\n  a: {HASH}\n", ["3: duplicate key, first on line 2 (column 3)"]),
        (
            "rate_limit: {interval: 1s}",
            ["1: rate_limit.burst: is 0 or missing, so every request would be rejected"],
        ),
        (
            "rate_limit: {interval: 1.5, burst: -1}",
            [
                "1: rate_limit.interval: expected a duration such as 1s, got a number without a unit",
                "1: rate_limit.burst: must be at least 0",
            ],
        ),
        (
            "rate_limit: {interval: 1 s, burst: 1, brust: 1}",
            [
                "1: rate_limit.interval: expected a duration such as 1s, got '1 s'",
                "1: rate_limit.brust: unknown key; did you mean 'burst'?",
            ],
        ),
        (
            "rate_limit: {interval: 5, burst: 1}",
            ["1: rate_limit.interval: expected a duration such as 1s, got '5'"],
        ),
        (
            f"alice: {HASH}",
            [
                (
                    "1: alice: unknown key; expected one of tls_server_config, http_server_config, basic_auth_users, "
                    "rate_limit"
                )
            ],
        ),
        (
            "http_server_config: &a\n  headers: *a\n",
            [
                (
                    "2: http_server_config.headers.headers: unknown key; expected one of Strict-Transport-Security, "
                    "X-Content-Type-Options, X-Frame-Options, X-XSS-Protection, Content-Security-Policy"
                )
            ],
        ),
    ],
)
def test_files_that_are_rejected(folder: Path, text: str, messages: list[str]) -> None:
    assert rejections(folder, text) == messages


def test_all_problems_at_once(folder: Path) -> None:
    text = (
        f"tls_server_config: {{{BASE}, client_auth_type: RequireAnyClientCert, min_version: TLS9}}\n"
        "http_server_config: {http2: true}\n"
        "basic_auth_users: {alice: canary}\n"
        "rate_limits: {}\n"
    )
    assert [message.split(": ")[:2] for message in rejections(folder, text)] == [
        ["1", "tls_server_config.client_auth_type"],
        ["1", "tls_server_config.min_version"],
        ["2", "http_server_config.http2"],
        ["3", "basic_auth_users.alice"],
        ["4", "rate_limits"],
    ]


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        WebConfigFile(tmp_path / "web.yml")
    assert [str(error) for error in caught.value.exceptions] == [
        f"{tmp_path}/web.yml: cannot read the file: No such file or directory"
    ]


def test_secrets_do_not_show(folder: Path) -> None:
    inline = "".join(
        f"  {key}: |\n" + "".join(f"    {line}\n" for line in (folder / name).read_text().splitlines())
        for key, name in (("cert", "server.crt"), ("key", "server.key"))
    )
    file = WebConfigFile(write(folder, f"tls_server_config:\n{inline}basic_auth_users: {{alice: '{HASH}'}}\n"))
    key = (folder / "server.key").read_text().splitlines()[1]
    for shown in (repr(file.config), str(file.config), repr(file), repr(file.config.users)):
        assert HASH not in shown
        assert key not in shown
    assert "PrivateKey(***)" in repr(file.config)
    assert "PasswordHash(***)" in repr(file.config)
    assert PrivateKey("a") != PrivateKey("b")
    assert len({PrivateKey("a"), PrivateKey("a")}) == 1
    assert WebConfig().tls is None
