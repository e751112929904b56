"""Certificates and web configuration files in a folder, and openssl as a client."""

import asyncio
import base64
import subprocess
from pathlib import Path

import bcrypt
import trustme

from tests.support.tools import tool

PASSWORD = "canary-pässword"
# With a fixed salt, because the hash is in the names of some tests, which are the same in every process.
HASH = bcrypt.hashpw(PASSWORD.encode(), b"$2b$04$abcdefghijklmnopqrstuu").decode()
TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
USERS = f"basic_auth_users: {{alice: '{HASH}'}}\n"
REQUEST = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def issue(ca: trustme.CA, folder: Path, name: str, *identities: str, rsa: bool = False) -> trustme.LeafCert:
    """Write `name`.crt, a certificate of `ca` for these identities, and `name`.key."""
    kind = trustme.KeyType.RSA if rsa else trustme.KeyType.ECDSA
    issued = ca.issue_cert(*identities, key_type=kind)
    issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.crt"))
    issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
    return issued


def equip(folder: Path, *, rsa: bool = False) -> trustme.CA:
    """Write ca.crt, server.crt for loopback, client.crt for prometheus.example, and their keys; return the CA."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.crt"))
    issue(ca, folder, "server", "127.0.0.1", "localhost", rsa=rsa)
    issue(ca, folder, "client", "prometheus.example", "10.1.2.3", "2001:db8::1", "p@example.com")
    return ca


def basic(user: str, password: str, scheme: str = "Basic") -> str:
    """Return the value of an Authorization header."""
    return f"{scheme} {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def write(folder: Path, text: str) -> Path:
    """Write a web configuration file."""
    path = folder / "web.yml"
    path.write_text(text)
    return path


async def s_client(port: int, *arguments: str, request: bytes = REQUEST) -> str:
    """Request /-/healthy with openssl; return its messages about the connection, and the response."""
    process = await asyncio.create_subprocess_exec(
        tool("openssl", "openssl"),
        *("s_client", "-connect", f"127.0.0.1:{port}", "-brief", "-ign_eof", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    async with asyncio.timeout(10):
        output, _ = await process.communicate(request)
    return output.decode()
