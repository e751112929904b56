"""Ask the exporter for PATHs: URL SERVER_NAME FOLDER PATH… as arguments.

In FOLDER are ca.crt, client.crt with client.key, and username with password, where there are any. Without a server name
whoever answers is believed, as the kubelet does.
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
    pair = (folder / "username").read_bytes() + b":" + (folder / "password").read_bytes()
    headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
for path in paths:
    connection = HTTPConnection(parts.hostname, parts.port)
    connection.sock = socket.create_connection((parts.hostname, parts.port), timeout=10)
    if parts.scheme == "https":
        connection.sock = context.wrap_socket(connection.sock, server_hostname=server_name or parts.hostname)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    if answer.status != 200:
        sys.exit(f"{path}: answered {answer.status}")
    if path == "/metrics" and b"vspark_exporter_build_info{" not in answer.read():
        sys.exit(f"{path}: no vspark_exporter_build_info in it")
    print(path, "is there")
