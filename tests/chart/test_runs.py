"""What the chart renders, run: its files as the kubelet lays them out, its flags, probes, test and monitor."""

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
    """Give what cert-manager puts into a Secret."""
    leaf = ca.issue_cert(name)
    return {
        "ca.crt": ca.cert_pem.bytes().decode(),
        "tls.crt": leaf.cert_chain_pems[0].bytes().decode(),
        "tls.key": leaf.private_key_pem.bytes().decode(),
    }


class Node:
    """The folders of a pod, as a kubelet makes and changes them; in texts they are in place of /etc/vspark-exporter."""

    def __init__(self, folder: Path, port: int, objects: Objects) -> None:
        self._folder = folder
        self.port = port
        self.objects: Objects = dict(objects)
        self._writes = 0

    def here(self, text: str) -> str:
        """Give what is rendered for the cluster as it is on this machine."""
        host = text.replace("calls-vspark-exporter:10219", "localhost:10219").replace(":10219", f":{self.port}")
        return host.replace(ETC, str(self._folder))

    def mount(self, pod: Any) -> None:
        """Write the volumes of a pod: a folder of its own for each change, and one symbolic link that is swapped."""
        container = pod["containers"][0]
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            place = Path(self.here(mount["mountPath"]))
            self._writes += 1
            data = place / f"..{self._writes}"
            data.mkdir(parents=True)
            for name, text in self._contents(volumes[mount["name"]]).items():
                (data / name).write_text(self.here(text))
                if not (place / name).is_symlink():
                    (place / name).symlink_to(f"..data/{name}")
            (place / "..swap").symlink_to(data.name)
            (place / "..swap").replace(place / "..data")

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
        """Run a command in the container; there the port is free."""
        address = (f"--web.listen-address=127.0.0.1:{self.port}",) if command[0] == "vspark-exporter" else ()
        process = await asyncio.create_subprocess_exec(
            *map(self.here, command),
            *address,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    async def probe(self, probe: Mapping[str, Any]) -> bool:
        """Do what the kubelet does with a probe."""
        if "exec" in probe:
            return (await self.run(*probe["exec"]["command"]))[0] == 0
        asked = probe["httpGet"]
        assert asked["port"] == "metrics"
        return await self.status(f"{asked.get('scheme', 'HTTP').lower()}://127.0.0.1:{self.port}{asked['path']}") == 200

    async def status(self, url: str) -> int | None:
        """Ask as the kubelet does, without certificate or password; None where there is no answer."""
        with suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as session, session.get(url, ssl=False) as response:
                return response.status
        return None

    def scraping(self, endpoint: Mapping[str, Any], folder: Path) -> str:
        """Give the keys of a scrape job that the operator makes of a monitor's endpoint."""

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
    """Start the exporter with the container's flags, but look for changes more often."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", *map(node.here, container["args"])),
        *(f"--web.listen-address=127.0.0.1:{node.port}", "--config.auto-reload-interval=200ms"),
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


def secrets(name: str, ca: trustme.CA) -> Objects:
    """Give what the user of a file in ci/ has put into the cluster."""
    authority = {"ca.crt": ca.cert_pem.bytes().decode()}
    given: Objects = {"doctestco": {"token": CANARY}}
    if name == "web":
        return given | {
            "exporter-web": {"web-config.yaml": WEB},
            "exporter-tls": certificate(ca, SERVICE),
            "exporter-user": {"username": "prometheus", "password": PASSWORD},
        }
    return given | {
        "exporter-web": {"web.yaml": WEB_CLIENT, **certificate(ca, ELSEWHERE)},
        "exporter-client": certificate(ca, "prometheus"),
        "exporter-ca": authority,
        "bundle": authority,
    }


@pytest.mark.parametrize(
    ("name", "monitor", "endpoints", "tls", "refused"),
    [
        ("web", "ServiceMonitor", "endpoints", "exporter-tls", 401),
        ("web-client", "PodMonitor", "podMetricsEndpoints", "exporter-web", None),
    ],
)
async def test_what_is_rendered_runs(
    name: str, monitor: str, endpoints: str, tls: str, refused: int | None, tmp_path: Path
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
            assert await node.status(url) == refused

            test = of_kind("Pod", objects)["spec"]
            node.mount(test)
            run = test["containers"][0]
            assert await node.run(*run["command"], *run["args"]) == (0, "/-/ready is there\n/metrics is there\n")

            async with (
                prometheus(f"https://127.0.0.1:{node.port}", tmp_path, node.scraping(endpoint, tmp_path)) as prom,
                aiohttp.ClientSession() as session,
            ):
                assert numbers(await query(session, prom, "vspark_up"), "folder") == {("good",): 1.0}

                # helm upgrade, and the kubelet brings it.
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
