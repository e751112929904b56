"""The rendered chart, run on this machine: mounted files, flags, probes, the pod of helm test, and the monitor."""

import asyncio
import json
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from exporter.simulator import Simulator
from tests.support.canary_site import CANARY, SITE
from tests.support.helm_chart import files_of, of_kind, render, values
from tests.support.prometheus_process import numbers, prometheus, query
from tests.support.tls_files import HASH, PASSWORD
from tools.bench.measure import free_port

ETC = "/etc/vspark-exporter"
SERVICE, ELSEWHERE = "calls-vspark-exporter.vspark.svc", "calls.example.com"
CONFIG = "config.companies[0].name=Co,config.companies[0].orgs[0].name=Org,config.companies[0].orgs[0].timezone=UTC"
WEB = f"""\
tls_server_config: {{cert_file: {ETC}/secrets/exporter-tls/tls.crt, key_file: {ETC}/secrets/exporter-tls/tls.key}}
basic_auth_users: {{prometheus: "{HASH}"}}
"""
WEB_CLIENT = """\
tls_server_config:
  {cert_file: tls.crt, key_file: tls.key, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt}
"""
Objects = dict[str, Mapping[str, str]]


def certificate(ca: trustme.CA, name: str) -> dict[str, str]:
    """Return the content of a Secret that cert-manager creates."""
    leaf = ca.issue_cert(name)
    return {
        "ca.crt": ca.cert_pem.bytes().decode(),
        "tls.crt": leaf.cert_chain_pems[0].bytes().decode(),
        "tls.key": leaf.private_key_pem.bytes().decode(),
    }


class Node:
    """A kubelet's work for a pod: its volumes, below a folder that replaces /etc/vspark-exporter, and its probes."""

    def __init__(self, folder: Path, port: int, objects: Objects) -> None:
        self._folder = folder
        self.port = port
        self.objects: Objects = dict(objects)
        self._writes = 0

    def localized(self, text: str) -> str:
        """Return a rendered text with the addresses and paths of the cluster replaced by those of this machine."""
        host = text.replace("calls-vspark-exporter:10219", "localhost:10219").replace(":10219", f":{self.port}")
        return host.replace(ETC, str(self._folder))

    def mount(self, pod: Any) -> None:
        """Write the volumes of a pod as a kubelet does: into a new folder, to which a symbolic link then moves."""
        container = pod["containers"][0]
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            mount_path = Path(self.localized(mount["mountPath"]))
            self._writes += 1
            data = mount_path / f"..{self._writes}"
            data.mkdir(parents=True)
            for name, text in self._contents(volumes[mount["name"]]).items():
                (data / name).write_text(self.localized(text))
                if not (mount_path / name).is_symlink():
                    (mount_path / name).symlink_to(f"..data/{name}")
            (mount_path / "..swap").symlink_to(data.name)
            (mount_path / "..swap").replace(mount_path / "..data")

    def _contents(self, volume: Mapping[str, Any]) -> Mapping[str, str]:
        if "configMap" in volume:
            return self.objects[volume["configMap"]["name"]]
        if "secret" in volume:
            return self.objects[volume["secret"]["secretName"]]
        return {
            item["path"]: self.objects[source["secret"]["name"]][item["key"]]
            for source in volume["projected"]["sources"]
            for item in source["secret"]["items"]
        }

    async def run(self, *command: str) -> tuple[int | None, str]:
        """Run a command of the container, with the exporter's port replaced; return its exit code and output."""
        address = (f"--web.listen-address=127.0.0.1:{self.port}",) if command[0] == "vspark-exporter" else ()
        process = await asyncio.create_subprocess_exec(
            *map(self.localized, command),
            *address,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    async def probe(self, probe: Mapping[str, Any]) -> bool:
        """Return whether a probe succeeds, run as the kubelet runs it."""
        if "exec" in probe:
            return (await self.run(*probe["exec"]["command"]))[0] == 0
        request = probe["httpGet"]
        assert request["port"] == "metrics"
        scheme = request.get("scheme", "HTTP").lower()
        return await self.status(f"{scheme}://127.0.0.1:{self.port}{request['path']}") == 200

    async def status(self, url: str) -> int | None:
        """Return the status of a request as the kubelet sends it, without credentials; None without a response."""
        with suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as session, session.get(url, ssl=False) as response:
                return response.status
        return None

    def scraping(self, endpoint: Mapping[str, Any], folder: Path) -> str:
        """Return the keys of the scrape job that the operator derives from a monitor's endpoint."""

        def file(reference: Mapping[str, str]) -> str:
            path = folder / f"{reference['name']}-{reference['key']}"
            path.write_text(self.objects[reference["name"]][reference["key"]])
            return str(path)

        job: dict[str, Any] = {"scheme": endpoint["scheme"], "metrics_path": endpoint["path"]}
        tls = endpoint["tlsConfig"]
        job["tls_config"] = {"server_name": tls["serverName"]}
        for ours, theirs in (("ca_file", "ca"), ("cert_file", "cert"), ("key_file", "keySecret")):
            if theirs in tls:
                source = tls[theirs]
                job["tls_config"][ours] = file(source.get("secret") or source.get("configMap") or source)
        if "basicAuth" in endpoint:
            user, password = endpoint["basicAuth"]["username"], endpoint["basicAuth"]["password"]
            job["basic_auth"] = {
                "username": self.objects[user["name"]][user["key"]],
                "password_file": file(password),
            }
        return f", {json.dumps(job)[1:-1]}"


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.1)


@asynccontextmanager
async def started(node: Node, container: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the exporter with the container's flags, but with a shorter interval between checks for changes."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", *map(node.localized, container["args"])),
        *(f"--web.listen-address=127.0.0.1:{node.port}", "--config.auto-reload-interval=200ms"),
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


def secrets(name: str, ca: trustme.CA) -> Objects:
    """Return the Secrets and ConfigMaps that the values file `name` expects in the cluster."""
    authority = {"ca.crt": ca.cert_pem.bytes().decode()}
    existing: Objects = {"doctestco": {"token": CANARY}}
    if name == "web":
        return existing | {
            "exporter-web": {"web-config.yaml": WEB},
            "exporter-tls": certificate(ca, SERVICE),
            "exporter-user": {"username": "prometheus", "password": PASSWORD},
        }
    return existing | {
        "exporter-web": {"web.yaml": WEB_CLIENT, **certificate(ca, ELSEWHERE)},
        "exporter-client": certificate(ca, "prometheus"),
        "exporter-ca": authority,
        "bundle": authority,
    }


@pytest.mark.parametrize(
    ("name", "monitor", "endpoints", "tls", "status_without_credentials"),
    [
        ("web", "ServiceMonitor", "endpoints", "exporter-tls", 401),
        ("web-client", "PodMonitor", "podMetricsEndpoints", "exporter-web", None),
    ],
)
async def test_the_rendered_chart_runs(
    name: str, monitor: str, endpoints: str, tls: str, status_without_credentials: int | None, tmp_path: Path
) -> None:
    ca = trustme.CA()
    async with Simulator(SITE) as simulator:
        release = ("-f", values(name), "--set", CONFIG, "--set", f"config.vspark.url={simulator.url}")
        objects = render(*release, "--set", "config.companies[0].orgs[0].folders={good}")
        deployment = of_kind("Deployment", objects)
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        config = of_kind("ConfigMap", objects)
        node = Node(tmp_path / "etc", free_port(), secrets(name, ca) | {config["metadata"]["name"]: files_of(config)})
        node.mount(pod)
        url = f"https://127.0.0.1:{node.port}/metrics"
        (endpoint,) = of_kind(monitor, objects)["spec"][endpoints]
        assert not await node.probe(container["livenessProbe"])
        async with started(node, container) as process:
            await eventually(lambda: node.probe(container["readinessProbe"]))
            assert await node.probe(container["livenessProbe"])
            assert await node.status(url) == status_without_credentials

            test = of_kind("Pod", objects)["spec"]
            node.mount(test)
            run = test["containers"][0]
            served = f"https://localhost:{node.port}"
            assert await node.run(*run["command"], *run["args"]) == (0, f"{served}/-/ready: ok\n{served}/metrics: ok\n")

            async with (
                prometheus(f"https://127.0.0.1:{node.port}", tmp_path, node.scraping(endpoint, tmp_path)) as prom,
                aiohttp.ClientSession() as session,
            ):
                assert numbers(await query(session, prom, "vspark_up"), "folder") == {("good",): 1.0}

                # helm upgrade changes the ConfigMap, and the kubelet updates the mounted file.
                objects = render(*release, "--set", "config.companies[0].orgs[0].folders={good,slow}")
                assert of_kind("Deployment", objects) == deployment
                node.objects[config["metadata"]["name"]] = files_of(of_kind("ConfigMap", objects))
                node.mount(pod)
                assert numbers(await query(session, prom, 'vspark_up{folder="slow"}')) == {(): 1.0}

                # cert-manager renews the certificate.
                renewed = certificate(ca, SERVICE if name == "web" else ELSEWHERE)
                node.objects[tls] = {**node.objects[tls], **renewed}
                node.mount(pod)

                async def serves_it() -> bool:
                    served = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", node.port))
                    return served == renewed["tls.crt"]

                await eventually(serves_it)
                scraped = numbers(await query(session, prom, "timestamp(up == 1)"))[()]
                await query(session, prom, f"timestamp(up == 1) > {scraped}")
                assert numbers(await query(session, prom, "min_over_time(up[5m])")) == {(): 1.0}
                assert numbers(await query(session, prom, "changes(process_start_time_seconds[5m])")) == {(): 0.0}
            assert process.returncode is None
            assert await node.probe(container["livenessProbe"])
            assert await node.probe(container["readinessProbe"])
