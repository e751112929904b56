"""The output of `--config.check`: what is requested, how often and for which day, and never a token."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from exporter.config.loaded import LONG_TIMEOUT, NO_ZONE
from exporter.config.schema import Agents, Config
from exporter.config.targets import Target
from exporter.config.units import format_duration, format_size
from exporter.runtime.terminal import printable
from exporter.web.toolkit.schema import TlsServer, WebConfig


def describe(config: Config, targets: Sequence[Target]) -> str:
    """Return the output for a configuration: all of its `targets`, by company and organization."""
    return "".join(f"{printable(line)}\n" for line in _lines(config, targets))


def describe_web(config: WebConfig) -> str:
    """Return the output for a web configuration: the names of the users, and never a hash or a key."""
    return "".join(f"web: {printable(line)}\n" for line in _web_lines(config))


def _lines(config: Config, targets: Sequence[Target]) -> Iterator[str]:
    vspark = config.vspark
    yield f"{vspark.url}: {len(targets)} {'target' if len(targets) == 1 else 'targets'}"
    yield (
        f"each poll within {format_duration(vspark.timeout_seconds)}, responses of at most "
        f"{format_size(vspark.max_response_bytes)}, at most {config.poll.concurrency} concurrent requests"
    )
    yield _agents(config.agents)
    for (company, token), of_company in groupby(targets, lambda target: (target.company, target.token)):
        yield f"{company}, token from {token.origin}"
        for (org, zone), of_org in groupby(of_company, lambda target: (target.org, target.zone)):
            yield f"  {org}, {zone.key if zone else f'WARNING: {NO_ZONE}'}"
            for target in of_org:
                times = (format_duration(target.interval_seconds), format_duration(target.stale_after_seconds))
                warning = f", WARNING: the interval is {LONG_TIMEOUT}"
                yield (
                    f"    {target.folder or '(all folders)'}, every {times[0]}, stale after {times[1]}"
                    f"{warning if target.interval_seconds < vspark.timeout_seconds else ''}"
                )


def _agents(agents: Agents) -> str:
    if not agents.enabled:
        return "no series for agents"
    ids = f"hashed with the key in {agents.hash_key_file}" if agents.hash_key_file else "unchanged"
    return (
        f"series for the {agents.max_per_folder} busiest agents of each folder that match {agents.include!r} and not "
        f"{agents.exclude!r}, their ids {ids}"
    )


def _web_lines(config: WebConfig) -> Iterator[str]:
    if config.tls:
        yield from _tls_lines(config.tls)
    else:
        yield "http, without TLS"
    if config.users:
        yield f"users {', '.join(config.users)}; /-/healthy and /-/ready need no password"
    else:
        yield "no passwords"
    if config.headers:
        yield f"headers {', '.join(config.headers)}"
    limit = config.rate_limit
    if limit and limit.interval_seconds:
        yield f"at most {limit.burst} requests at once, and one more each {limit.interval_seconds:g} s"


def _tls_lines(tls: TlsServer) -> Iterator[str]:
    lowest, highest = (f"{name[3]}.{name[4]}" for name in tls.versions)
    versions = lowest if lowest == highest else f"{lowest} to {highest}"
    yield f"https, TLS {versions}, certificate {tls.cert_file or 'in the file itself'}"
    cas = tls.client_ca_file or ("the file itself" if tls.client_ca else "this machine's store")
    yield {
        "NoClientCert": "no client certificates",
        "VerifyClientCertIfGiven": f"client certificates are optional and verified by the CAs in {cas}",
        "RequireAndVerifyClientCert": f"client certificates are required and verified by the CAs in {cas}",
    }[tls.client_auth] + (
        f", with one of the names {', '.join(tls.client_allowed_sans)}" if tls.client_allowed_sans else ""
    )
