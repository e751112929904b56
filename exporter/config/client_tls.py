"""How V-Spark's certificate is checked, and which one it is shown."""

import ssl

from exporter.config.schema import Tls
from exporter.errors import ConfigError


def tls_context(tls: Tls) -> ssl.SSLContext | None:
    """Build the context of connections to V-Spark; None where the configuration leaves everything as the system has it.

    Raises ConfigError, which names the file, where one cannot be read or does not hold what it has to.
    """
    if tls.ca_file is None and tls.cert_file is None and not tls.insecure_skip_verify:
        return None
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except OSError as error:
        raise ConfigError("vspark.tls", f"no CA certificates in {tls.ca_file}: {reason_of(error)}") from None
    if tls.cert_file is not None:
        try:
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(tls.cert_file, tls.key_file, password="")
        except OSError as error:
            files = f"{tls.cert_file} with the key {tls.key_file}"
            raise ConfigError("vspark.tls", f"no client certificate in {files}: {reason_of(error)}") from None
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def reason_of(error: OSError) -> str:
    """Give what was wrong when certificates or keys were loaded, in a few words."""
    if not isinstance(error, ssl.SSLError):
        return error.strerror or "it cannot be read"
    if error.reason is None:
        return "there is none in it, or the key is encrypted"
    return error.reason.replace("_", " ").lower()
