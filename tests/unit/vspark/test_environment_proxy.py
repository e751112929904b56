import pytest
from yarl import URL

from exporter.vspark.environment_proxy import environment_proxy

HTTP = URL("http://v-spark.example:3000")
HTTPS = URL("https://v-spark.example")


@pytest.mark.parametrize("name", ["{}_PROXY", "{}_proxy"])
@pytest.mark.parametrize("base", [HTTP, HTTPS])
def test_the_proxy_of_the_scheme_counts(base: URL, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment_proxy(base) is None
    other = "HTTP" if base is HTTPS else "HTTPS"
    monkeypatch.setenv(f"{other}_PROXY", "http://other.example:3128")
    assert environment_proxy(base) is None
    scheme = base.scheme if name.endswith("proxy") else base.scheme.upper()
    monkeypatch.setenv(name.format(scheme), "http://user:p%40ss@proxy.example:3128")
    assert environment_proxy(base) == URL("http://user:p%40ss@proxy.example:3128")


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(
    ("excluded", "uses_proxy"),
    [
        ("v-spark.example", False),
        (".example", False),
        ("other.example, v-spark.example:3000", False),
        ("*", False),
        ("v-spark.example:443", True),
        ("other.example", True),
    ],
)
def test_hosts_without_a_proxy(excluded: str, name: str, monkeypatch: pytest.MonkeyPatch, *, uses_proxy: bool) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv(name, excluded)
    assert (environment_proxy(HTTP) is not None) == uses_proxy


@pytest.mark.parametrize(
    "proxy",
    [
        "proxy.example:3128",
        "https://proxy.example:3128",
        "socks5://proxy.example",
        "http://",
        "http://user:canary@[bad",
    ],
)
def test_a_proxy_that_cannot_be_used(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(ValueError):  # noqa: PT011 # its text is not used: it may quote the password
        environment_proxy(HTTP)
