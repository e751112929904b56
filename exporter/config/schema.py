"""The keys of the configuration file, as frozen types.

A key is one field with its description. docs/configuration.md and docs/config.schema.json are generated from the texts
here. A key has the name that people write; an attribute has its unit in the name. In a Config from `load_config`, every
named file exists, is readable and has an absolute path.
"""

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

from msgspec import Meta, field, structs

from exporter.config import checks, jq_program
from exporter.config.convert import UNREAD, Block, about, check
from exporter.config.tokens import EnvToken, FileToken, LiteralToken, TokenSource
from exporter.config.units import Duration, DurationOrZero, Size, format_duration
from exporter.stats.values import UNITS

# The pattern is written for Go's regular expressions, too: Helm uses them.
Name = Annotated[
    str, check(checks.check_name, extra_json_schema={"minLength": 1, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"})
]
Zone = Annotated[str, check(checks.check_zone, title="time zone")]
Pattern = Annotated[str, check(checks.check_pattern, title="regular expression")]


class WithToken(Block, frozen=True, kw_only=True):
    """The three keys of which one names the token."""

    token: Annotated[LiteralToken | None, about("The token itself. One of the next two keys is better.")] = None
    token_file: Annotated[
        FileToken | None,
        about("A file that contains the token. It is read again when it changes.", "/etc/vspark-exporter/token"),
    ] = None
    token_env: Annotated[EnvToken | None, about("An environment variable that contains the token.", "VSPARK_TOKEN")] = (
        None
    )

    @property
    def token_source(self) -> TokenSource | None:
        """Where the token comes from; None if this block names no token."""
        return next((each for each in (self.token, self.token_file, self.token_env) if each is not None), None)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield every token beside the first."""
        keys = [key for key in ("token", "token_file", "token_env") if getattr(self, key) is not None]
        for key in keys[1:]:
            yield key, f"{keys[0]} is set too: give only one of token, token_file, token_env"


class Tls(Block, frozen=True):
    """TLS of the connections to an `https` URL."""

    ca_file: Annotated[
        Path | None,
        about("Certificates (PEM) to trust instead of the system's.", "/etc/ssl/vspark-ca.pem"),
    ] = None
    cert_file: Annotated[Path | None, about("The client's certificate (PEM); it needs `key_file`.", "client.pem")] = (
        None
    )
    key_file: Annotated[Path | None, about("The private key (PEM) of `cert_file`.", "client-key.pem")] = None
    server_name: Annotated[
        Name | None,
        about("The name in the server's certificate, if it is not the host of the URL.", "vspark.example.com"),
    ] = None
    insecure_skip_verify: Annotated[
        bool, about("Accept every certificate. Anyone between the exporter and V-Spark can then read the token.")
    ] = False

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the missing half of certificate and key."""
        if self.cert_file is None and self.key_file is not None:
            yield "cert_file", "is missing; key_file needs it"
        if self.key_file is None and self.cert_file is not None:
            yield "key_file", "is missing; cert_file needs it"


class Vspark(WithToken, frozen=True):
    """The V-Spark installation and the requests to it."""

    url: Annotated[
        str,
        about(
            "Scheme (`http` or `https`), host, optional port and optional path prefix.",
            "https://vspark.example.com:3000",
        ),
        check(checks.check_url),
    ]
    timeout_seconds: Annotated[
        Duration,
        about(
            "The time for one poll of one target, including all retries. If it is longer than the target's interval, a "
            "slow poll skips the next one."
        ),
    ] = field(name="timeout", default_factory=partial(Duration, 10))
    max_response_bytes: Annotated[Size, about("The largest accepted response, after decompression.")] = field(
        name="max_response_size", default_factory=partial(Size, 64 * 1024**2)
    )
    tls: Annotated[Tls, about("Only with an `https` URL.")] = field(default_factory=Tls)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the tokens, and TLS without https."""
        yield from super().problems()
        if str(self.url).lower().startswith("http:") and self.tls != Tls():
            yield "tls", "needs a vspark.url that begins with https://"


class Poll(Block, frozen=True):
    """When to poll, and how long a response is valid."""

    interval_seconds: Annotated[Duration, about("The time between two polls of a target.")] = field(
        name="interval", default_factory=partial(Duration, 60)
    )
    concurrency: Annotated[int, about("The number of concurrent requests, over all targets.", ge=1)] = 4
    stale_after_seconds: Annotated[
        Duration | None,
        about(
            "After this long without success, a target's series are removed. At least 2 intervals of every target; "
            "if omitted, 5 intervals of the target.",
            "5m",
        ),
    ] = field(name="stale_after", default=None)
    previous_day_seconds: Annotated[
        DurationOrZero,
        about(
            "Keep polling the finished day for this long after the org's midnight, every 10 intervals, and once at "
            "start, for calls that were transcribed late. At most `1d`; `0s`: never. docs/history.md describes it.",
            "6h",
        ),
        check(checks.check_previous_day_for),
    ] = field(name="previous_day_for", default_factory=DurationOrZero)


class Discovery(Block, frozen=True):
    """What is requested from V-Spark itself: time zones always, names only if the file omits them."""

    enabled: Annotated[bool, about("Whether V-Spark is asked for names and time zones.")] = True
    interval_seconds: Annotated[Duration, about("The time from one discovery to the next.")] = field(
        name="interval", default_factory=partial(Duration, 600)
    )
    include: Annotated[
        Pattern,
        about(
            "A regular expression for discovered names. `company`, `company/org` and `company/org/folder` must each "
            "match as a whole.",
            "DocTestCo(/.*)?",
        ),
    ] = ".*"
    exclude: Annotated[
        Pattern, about("A regular expression for discovered names that are left out, likewise.", ".*/.*-Test(/.*)?")
    ] = ""


class Org(Block, frozen=True):
    """An organization of a company: one request for each folder, or one for all folders."""

    name: Annotated[Name, about("The organization's short name, as in V-Spark's URLs.", "DocTestCo-DocTesting")]
    timezone: Annotated[
        Zone | None,
        about(
            "The organization's time zone in V-Spark, by its name in the tz database. If omitted, V-Spark is asked for "
            "it; if it does not say, no date is sent and the server's today counts.",
            "US/Eastern",
        ),
    ] = None
    folders: Annotated[
        Annotated[tuple[Name, ...], Meta(min_length=1)] | None,
        about(
            "The folders to poll, one request each. If omitted, one request for all folders.",
            ["Test01", "Test02"],
            extra_json_schema={"uniqueItems": True},
        ),
    ] = None
    interval_seconds: Annotated[Duration | None, about("Overrides `poll.interval`.", "30s")] = field(
        name="interval", default=None
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the duplicate folders."""
        for index, message in checks.duplicates(self.folders or ()):
            yield f"folders[{index}]", message


class Company(WithToken, frozen=True):
    """A company and its organizations to poll. Its token overrides the one under `vspark`."""

    name: Annotated[Name, about("The company's short name, as in V-Spark's URLs.", "DocTestCo")]
    orgs: Annotated[
        Annotated[tuple[Org, ...], Meta(min_length=1)] | None,
        about("The company's organizations, at least one. If omitted, every organization that V-Spark lists."),
    ] = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the tokens, and the duplicate organizations."""
        yield from super().problems()
        for index, message in checks.duplicates(org.name for org in self.orgs or ()):
            yield f"orgs[{index}].name", message


class Agents(Block, frozen=True):
    """Which agents have series of their own."""

    enabled: Annotated[bool, about("Whether agents have series.")] = True
    max_per_folder: Annotated[
        int, about('The busiest agents of a folder stay; the others add up under `agent="_other"`.', ge=1)
    ] = 1000
    include: Annotated[Pattern, about("A regular expression that the whole agent id must match.", "[0-9]+")] = ".*"
    exclude: Annotated[Pattern, about("A regular expression that the whole agent id must not match.", "test-.*")] = ""
    hash_key_file: Annotated[
        Annotated[Path, check(checks.check_key)] | None,
        about(
            "A file with a key of at least 16 bytes. If set, agent ids are replaced by a keyed hash (HMAC-SHA-256, "
            "16 hex digits). docs/security.md says what that hides.",
            "/etc/vspark-exporter/hash-key",
        ),
    ] = None


class StatsFields(Block, frozen=True):
    """More names in the JSON of `/stats`, for an installation that uses its own, and its unit of durations.

    The names are tried before those of docs/stats-format.md.

    Case, `_`, `-` and spaces do not matter.
    """

    calls: Annotated[tuple[str, ...], about("The number of calls.", ["anzahl"])] = ()
    average_duration: Annotated[tuple[str, ...], about("The mean duration of a call.", ["mittlere_dauer"])] = ()
    total_duration: Annotated[tuple[str, ...], about("The duration of all calls together.", ["gesamtdauer"])] = ()
    agents: Annotated[tuple[str, ...], about("The records of the agents.", ["mitarbeiter"])] = ()
    agent_id: Annotated[tuple[str, ...], about("The id in an agent's record.", ["kennung"])] = ()
    folder: Annotated[tuple[str, ...], about("The folder of a record.", ["ordner"])] = ()
    date: Annotated[tuple[str, ...], about("The date of a record.", ["datum"])] = ()
    duration_unit: Annotated[
        str,
        about(
            "The unit of durations that are plain numbers: `seconds`, `milliseconds` or `minutes`. `H:MM:SS` and "
            "`MM:SS` do not depend on it.",
            "milliseconds",
            extra_json_schema={"enum": list(UNITS)},
        ),
        check(checks.check_unit),
    ] = "seconds"

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the names with two meanings."""
        yield from checks.ambiguous(
            {key: value for key, value in structs.asdict(self).items() if key != "duration_unit"}
        )


class Config(Block, frozen=True):
    """The whole configuration."""

    vspark: Vspark
    companies: Annotated[
        Annotated[tuple[Company, ...], Meta(min_length=1)] | None,
        about("The companies to poll, at least one. If omitted, every company that the token under `vspark` can list."),
    ] = None
    poll: Poll = field(default_factory=Poll)
    discovery: Discovery = field(default_factory=Discovery)
    agents: Agents = field(default_factory=Agents)
    stats_fields: StatsFields = field(default_factory=StatsFields)
    stats_jq: Annotated[
        Annotated[str, check(jq_program.check_program)],
        about(
            "A jq program that turns each response of `/stats` into one that docs/stats-format.md describes, if names "
            "are not enough. It has `$company`, `$org`, `$folder` and `$day`.",
            ".report.folders",
        ),
    ] = ""

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is missing, duplicate companies, and a `stale_after` shorter than two polls."""
        companies = self.companies
        yield from self._names_to_discover()
        for index, message in checks.duplicates(company.name for company in companies or ()):
            yield f"companies[{index}].name", message
        if companies is None and self.vspark.token_source is None:
            yield "vspark", "has no token; set token_file, token_env or token, or list companies with their own"
        for index, company in enumerate(companies or ()):
            if company.token_source is None and self.vspark.token_source is None:
                yield f"companies[{index}]", "has no token; set token_file, token_env or token here or under vspark"
        intervals = {
            f"companies[{index}].orgs[{place}]": org.interval_seconds or self.poll.interval_seconds
            for index, company in enumerate(companies or ())
            for place, org in enumerate(company.orgs or ())
        }
        if companies is None or any(company.orgs is None for company in companies):
            intervals["poll"] = self.poll.interval_seconds
        known = {place: seconds for place, seconds in intervals.items() if seconds is not UNREAD}
        slowest = max(known, key=known.__getitem__, default="")
        stale_after_seconds = self.poll.stale_after_seconds or math.inf
        if slowest and stale_after_seconds is not UNREAD and stale_after_seconds < 2 * known[slowest]:
            yield (
                "poll.stale_after",
                f"must be at least 2 intervals of {slowest}, {format_duration(known[slowest])} each",
            )

    def _names_to_discover(self) -> Iterator[tuple[str, str]]:
        if self.discovery.enabled is not False:
            return
        if self.companies is None:
            yield "companies", "is missing; discovery.enabled is false, so list the companies"
        for index, company in enumerate(self.companies or ()):
            if company.orgs is None:
                yield f"companies[{index}].orgs", "is missing; discovery.enabled is false, so list the orgs"
