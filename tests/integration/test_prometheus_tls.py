"""A real Prometheus that scrapes over TLS, with a client certificate and a password."""

import asyncio
import io
import ssl
from pathlib import Path

import aiohttp
import structlog

from exporter.app import ServeOptions, running
from exporter.cli.demo import demo_config
from exporter.config.loaded import LoadedConfig
from exporter.simulator import Simulator, demo_site
from exporter.web.endpoints import ListenAddress
from exporter.web.toolkit.file import WebConfigFile
from tests.support.prometheus_process import numbers, prometheus, query
from tests.support.tls_files import HASH, PASSWORD, TLS, equip, write

REQUIRED = (
    ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt"
    ", client_allowed_sans: [prometheus.example], min_version: TLS13}"
)
USERS = f"basic_auth_users: {{prometheus: '{HASH}'}}\nrate_limit: {{interval: 100ms, burst: 20}}\n"


def scraping(folder: Path, more: str) -> str:
    """Return the keys of a scrape job with the CA, the password and more TLS settings."""
    return (
        f", scheme: https, basic_auth: {{username: prometheus, password: '{PASSWORD}'}}"
        f", tls_config: {{ca_file: {folder}/ca.crt{more}}}"
    )


async def test_prometheus_scrapes_with_a_certificate_and_a_password(tmp_path: Path) -> None:
    equip(tmp_path)
    file = WebConfigFile(write(tmp_path, TLS.replace("}", REQUIRED) + USERS))
    log = structlog.wrap_logger(structlog.PrintLogger(io.StringIO()))
    client = f", cert_file: {tmp_path}/client.crt, key_file: {tmp_path}/client.key"
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
    async with Simulator(demo_site()) as simulator:
        loaded = LoadedConfig.of(demo_config(simulator.site, simulator.url))
        orgs = sum(len(company.orgs) for company in simulator.site.companies)
        serving = ServeOptions((ListenAddress("127.0.0.1", 0),), web_file=file)
        async with (
            running(loaded, lambda: loaded, serving, log) as (web, _),
            prometheus(web.urls[0], tmp_path / "with", scraping(tmp_path, client)) as one,
            prometheus(web.urls[0], tmp_path / "without", scraping(tmp_path, "")) as other,
            aiohttp.ClientSession() as session,
        ):
            assert numbers(await query(session, one, "count(vspark_up == 1)")) == {(): orgs}
            assert numbers(await query(session, other, "up")) == {(): 0.0}
            async with session.get(f"{other}/api/v1/targets") as response:
                (target,) = (await response.json())["data"]["activeTargets"]
            assert "tls: certificate required" in target["lastError"]
            # In the middle of a rotation: another TLS version and another server name.
            previous = file.config
            changed = REQUIRED.replace("TLS13", "TLS12").replace("prometheus.example", "p@example.com")
            write(tmp_path, TLS.replace("}", changed) + USERS)
            async with asyncio.timeout(20):
                while file.config is previous:
                    await asyncio.sleep(0.05)
            assert numbers(await query(session, one, "count(vspark_up == 1)")) == {(): orgs}
            tls = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
            tls.load_cert_chain(tmp_path / "client.crt", tmp_path / "client.key")
            async with session.get(f"{web.urls[0]}/metrics", ssl=tls) as response:
                assert response.status == 401
