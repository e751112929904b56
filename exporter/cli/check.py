"""The output of `--config.check`: what is requested, how often and for which day, and never a token."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from exporter.config.checks import is_future_credential
from exporter.config.loaded import LONG_TIMEOUT, NO_ZONE
from exporter.config.schema import Agents, Config
from exporter.config.targets import Target
from exporter.config.units import format_duration, format_size
from exporter.runtime.terminal import printable
from exporter.vspark.discovery import Outcome
from exporter.web.toolkit.file import EXPIRES_SOON_SECONDS, WebConfigFile, format_expiry
from exporter.web.toolkit.schema import TlsServer


def describe(config: Config, targets: Sequence[Target], outcome: Outcome | None = None) -> str:
    """Return the output for a configuration: all of its `targets`, by company and organization.

    Without the `outcome` of a discovery, the output says what would be discovered.
    """
    return "".join(f"{printable(line)}\n" for line in _lines(config, targets, outcome))


def describe_web(web_file: WebConfigFile, now: float) -> str:
    """Return the output for a web configuration at the Unix time `now`: names of users, and never a hash or a key."""
    return "".join(f"web: {printable(line)}\n" for line in _web_lines(web_file, now))


def _lines(config: Config, targets: Sequence[Target], outcome: Outcome | None) -> Iterator[str]:
    vspark = config.vspark
    count = f"{len(targets)} {'target' if len(targets) == 1 else 'targets'}"
    more = outcome is None and config.discovery.enabled and _names_orgs_only_in_part(config)
    yield f"{vspark.url}: {count}{' in the configuration, and those that V-Spark lists' if more else ''}"
    yield (
        f"each poll within {format_duration(vspark.timeout_seconds)}, responses of at most "
        f"{format_size(vspark.max_response_bytes)}, at most {config.poll.concurrency} concurrent requests"
    )
    if config.poll.previous_day_seconds:
        period = format_duration(config.poll.previous_day_seconds)
        yield f"the previous day every 10 intervals until {period} after midnight, and once at start"
    yield _agents(config.agents)
    yield from _unchecked(config)
    yield from _discovery(config) if outcome is None else _discovered(outcome)
    for (company, token), of_company in groupby(targets, lambda target: (target.company, target.token)):
        yield f"{company}, token from {token.origin}"
        for (org, _), of_org in groupby(of_company, lambda target: (target.org, target.zone)):
            of_org_listed = list(of_org)
            yield f"  {org}, {_zone(of_org_listed[0], will_discover=config.discovery.enabled and outcome is None)}"
            for target in of_org_listed:
                times = (format_duration(target.interval_seconds), format_duration(target.stale_after_seconds))
                long = (
                    f", WARNING: the interval is {LONG_TIMEOUT}"
                    if target.interval_seconds < vspark.timeout_seconds
                    else ""
                )
                yield f"    {_folders(target)}, every {times[0]}, stale after {times[1]}{long}"


def _names_orgs_only_in_part(config: Config) -> bool:
    return config.companies is None or any(company.orgs is None for company in config.companies)


def _unchecked(config: Config) -> Iterator[str]:
    tls = config.vspark.tls
    tokens = [each.token_source for each in (config.vspark, *(config.companies or ()))]
    names = [each.origin for each in tokens if each and each.known is None]
    files = (tls.ca_file, tls.cert_file, tls.key_file, config.agents.hash_key_file)
    names += [str(each) for each in files if each and is_future_credential(each)]
    for name in dict.fromkeys(names):
        yield f"WARNING: {name} is not checked: systemd creates it when it starts the service"


def _zone(target: Target, *, will_discover: bool) -> str:
    if target.zone is None:
        return "time zone from V-Spark" if will_discover else f"WARNING: {NO_ZONE}"
    if target.vspark_zone is not None and target.vspark_zone.key != target.zone.key:
        return f"{target.zone.key}, WARNING: V-Spark has {target.vspark_zone.key}"
    return target.zone.key


def _folders(target: Target) -> str:
    if target.folder is not None:
        return target.folder
    return "(all folders)" if target.folders is None else f"(all folders, {len(target.folders):,} listed)"


def _discovery(config: Config) -> Iterator[str]:
    if not config.discovery.enabled:
        yield "no discovery"
        return
    every = format_duration(config.discovery.interval_seconds)
    orgs = [company.name for company in config.companies or () if company.orgs is None]
    if config.companies is None:
        what = "companies, their orgs, folders and time zones"
    elif orgs:
        what = f"orgs of {', '.join(orgs)}, folders where none are listed, and time zones"
    else:
        what = "folders where none are listed, and time zones"
    yield f"V-Spark is asked every {every} for {what} (--discover does it now)"


def _discovered(outcome: Outcome) -> Iterator[str]:
    for company, error in outcome.failures.items():
        yield f"WARNING: discovery of {company or 'the list of companies'} failed ({error.reason}): {error}"
    for text in outcome.left_out:
        yield f"WARNING: left out: {text}"


def _agents(agents: Agents) -> str:
    if not agents.enabled:
        return "no series for agents"
    ids = f"hashed with the key in {agents.hash_key_file}" if agents.hash_key_file else "unchanged"
    return (
        f"series for the {agents.max_per_folder} busiest agents of each folder that match {agents.include!r} and not "
        f"{agents.exclude!r}, their ids {ids}"
    )


def _web_lines(web_file: WebConfigFile, now: float) -> Iterator[str]:
    config = web_file.config
    if config.tls:
        yield from _tls_lines(config.tls, web_file.expires_at, now)
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


def _tls_lines(tls: TlsServer, expires_at: float | None, now: float) -> Iterator[str]:
    lowest, highest = (f"{name[3]}.{name[4]}" for name in tls.versions)
    versions = lowest if lowest == highest else f"{lowest} to {highest}"
    yield f"https, TLS {versions}, certificate {tls.cert_file or 'in the file itself'}"
    if expires_at is not None:
        warning = "WARNING: " if expires_at - now < EXPIRES_SOON_SECONDS else ""
        yield f"{warning}the certificate {'expires' if expires_at > now else 'expired'} at {format_expiry(expires_at)}"
    cas = tls.client_ca_file or ("the file itself" if tls.client_ca else "this machine's store")
    yield {
        "NoClientCert": "no client certificates",
        "VerifyClientCertIfGiven": f"client certificates are optional and verified by the CAs in {cas}",
        "RequireAndVerifyClientCert": f"client certificates are required and verified by the CAs in {cas}",
    }[tls.client_auth] + (
        f", with one of the names {', '.join(tls.client_allowed_sans)}" if tls.client_allowed_sans else ""
    )
