"""The proxy that the environment names for the requests to V-Spark."""

from urllib.request import getproxies_environment, proxy_bypass

from yarl import URL


def environment_proxy(base: URL) -> URL | None:
    """Return the proxy for requests to `base`; None if the environment names none, or excludes the host from it.

    Reads HTTP_PROXY for an `http` URL, HTTPS_PROXY for an `https` URL, and NO_PROXY, in upper or lower case. aiohttp's
    `trust_env` would do the same for each request, and would also send V-Spark the user and password of `~/.netrc`.
    Raises ValueError if the variable is not the URL of a proxy that aiohttp can use.
    """
    proxies = getproxies_environment()
    if base.scheme not in proxies or proxy_bypass(f"{base.host}:{base.port}"):
        return None
    proxy = URL(proxies[base.scheme])
    if proxy.scheme != "http" or not proxy.host:
        raise ValueError("the URL of a proxy must begin with http://")
    return proxy
