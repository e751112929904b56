"""Request URLs from the exporter and fail unless each response has status 200.

Arguments: SECONDS SERVER_NAME FOLDER URL…. A request that fails is repeated until SECONDS have passed since the start.
If FOLDER contains ca.crt, it verifies the server; client.crt with client.key, and username with password, authenticate
the client. With an empty SERVER_NAME the server's certificate is not verified, which is how the kubelet probes.
"""

import socket
import ssl
import sys
import time
from base64 import b64encode
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit


def check(url: str, server_name: str, folder: Path) -> None:
    """Raise OSError or HTTPException unless the response has status 200 and, at /metrics, is a page of the exporter."""
    parts, headers = urlsplit(url), {}
    connection = HTTPConnection(parts.hostname, parts.port)
    connection.sock = socket.create_connection((parts.hostname, parts.port), timeout=10)
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=folder / "ca.crt" if (folder / "ca.crt").exists() else None)
        if not server_name:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if (folder / "client.crt").exists():
            context.load_cert_chain(folder / "client.crt", folder / "client.key")
        connection.sock = context.wrap_socket(connection.sock, server_hostname=server_name or parts.hostname)
    if (folder / "username").exists():
        credentials = (folder / "username").read_bytes() + b":" + (folder / "password").read_bytes()
        headers["Authorization"] = f"Basic {b64encode(credentials).decode()}"
    connection.request("GET", parts.path, headers=headers)
    response = connection.getresponse()
    if response.status != 200:
        raise HTTPException(f"HTTP status {response.status}")
    if parts.path == "/metrics" and b"vspark_exporter_build_info{" not in response.read():
        raise HTTPException("vspark_exporter_build_info is missing")


seconds, name, access, *urls = sys.argv[1:]
deadline = time.monotonic() + float(seconds)
for each in urls:
    while True:
        try:
            check(each, name, Path(access))
            break
        except (OSError, HTTPException) as error:
            if time.monotonic() >= deadline:
                sys.exit(f"{each}: {error}")
        time.sleep(1)
    print(f"{each}: ok")
