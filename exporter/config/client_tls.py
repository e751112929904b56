"""TLS of the connections to V-Spark: which certificates to accept, and which certificate to present."""

import ssl

from exporter.config.schema import Tls
from exporter.errors import ConfigError


def tls_context(tls: Tls) -> ssl.SSLContext | None:
    """Return the context for connections to V-Spark; None if the system's defaults apply.

    Raises ConfigError, which names the file, if a file cannot be read or does not contain what it should.
    """
    if tls.ca_file is None and tls.cert_file is None and not tls.insecure_skip_verify:
        return None
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except OSError as error:
        raise ConfigError("vspark.tls.ca_file", f"no CA certificates in {tls.ca_file}: {reason_of(error)}") from None
    if tls.cert_file is not None:
        try:
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(tls.cert_file, tls.key_file, password="")
        except OSError as error:
            files = f"{tls.cert_file} with the key {tls.key_file}"
            message = f"no client certificate in {files}: {reason_of(error)}"
            raise ConfigError("vspark.tls.cert_file", message) from None
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def reason_of(error: OSError) -> str:
    """Return in a few words why certificates or keys could not be loaded."""
    if not isinstance(error, ssl.SSLError):
        return error.strerror or "it cannot be read"
    if error.reason is None:
        return "it contains none, or the key is encrypted"
    return error.reason.replace("_", " ").lower()
