"""Request PATHs from the exporter and fail unless each response has status 200.

Arguments: URL SERVER_NAME FOLDER PATH…. If FOLDER contains ca.crt, it verifies the server; client.crt with client.key,
and username with password, authenticate the client. With an empty SERVER_NAME the server's certificate is not verified,
which is how the kubelet probes.
"""

import socket
import ssl
import sys
from base64 import b64encode
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

url, server_name, access, *paths = sys.argv[1:]
parts, folder, headers = urlsplit(url), Path(access), {}
context = ssl.create_default_context(cafile=folder / "ca.crt" if (folder / "ca.crt").exists() else None)
if not server_name:
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
if (folder / "client.crt").exists():
    context.load_cert_chain(folder / "client.crt", folder / "client.key")
if (folder / "username").exists():
    credentials = (folder / "username").read_bytes() + b":" + (folder / "password").read_bytes()
    headers["Authorization"] = f"Basic {b64encode(credentials).decode()}"
for path in paths:
    connection = HTTPConnection(parts.hostname, parts.port)
    connection.sock = socket.create_connection((parts.hostname, parts.port), timeout=10)
    if parts.scheme == "https":
        connection.sock = context.wrap_socket(connection.sock, server_hostname=server_name or parts.hostname)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    if response.status != 200:
        sys.exit(f"{path}: HTTP status {response.status}")
    if path == "/metrics" and b"vspark_exporter_build_info{" not in response.read():
        sys.exit(f"{path}: vspark_exporter_build_info is missing")
    print(f"{path}: ok")
