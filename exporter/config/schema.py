"""The configuration file, as frozen types: docs/configuration.md and docs/config.schema.json say what their texts say.

Keys are as people write them, attributes have their unit in the name. Once `load_config` has given it, every file that
it names exists and can be read, and has an absolute path.
"""

import math
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

from msgspec import Meta, field

from exporter.config import checks
from exporter.config.convert import Block, convert
from exporter.config.tokens import EnvToken, FileToken, LiteralToken, TokenSource
from exporter.config.units import Duration, Size, format_duration
from exporter.config.yaml_file import read_yaml
from exporter.errors import ConfigError

Name = Annotated[
    str,
    Meta(extra_json_schema={"minLength": 1, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"}),  # for Go's expressions, too
    checks.check_name,
]
Zone = Annotated[str, Meta(title="time zone"), checks.check_zone]
Pattern = Annotated[str, Meta(title="regular expression"), checks.check_pattern]


class WithToken(Block, frozen=True, kw_only=True):
    """The three keys of which one says what the token is."""

    token: Annotated[LiteralToken | None, Meta(description="The token itself. Better is one of the next two.")] = None
    token_file: Annotated[
        FileToken | None,
        Meta(
            description="A file that holds the token. It is read again when it has changed.",
            examples=["/etc/vspark-exporter/token"],
        ),
    ] = None
    token_env: Annotated[
        EnvToken | None,
        Meta(description="An environment variable that holds the token.", examples=["VSPARK_TOKEN"]),
    ] = None

    @property
    def token_source(self) -> TokenSource | None:
        """Where the token comes from; None where this block does not say."""
        return next((each for each in (self.token, self.token_file, self.token_env) if each is not None), None)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield that several tokens are given."""
        keys = [key for key in ("token", "token_file", "token_env") if getattr(self, key) is not None]
        for key in keys[1:]:
            yield key, f"stands beside {keys[0]}; exactly one token can be given"


class Tls(Block, frozen=True):
    """How an `https` URL is connected to."""

    ca_file: Annotated[
        Path | None,
        Meta(description="Certificates (PEM) to trust in place of the system's.", examples=["/etc/ssl/vspark-ca.pem"]),
    ] = None
    cert_file: Annotated[
        Path | None,
        Meta(description="The client's certificate (PEM); `key_file` belongs to it.", examples=["client.pem"]),
    ] = None
    key_file: Annotated[
        Path | None, Meta(description="The private key (PEM) of `cert_file`.", examples=["client-key.pem"])
    ] = None
    server_name: Annotated[
        Name | None,
        Meta(
            description="The name that the server's certificate has to have, where it is not the URL's host.",
            examples=["vspark.example.com"],
        ),
    ] = None
    insecure_skip_verify: Annotated[
        bool, Meta(description="Accept every certificate. The token may then be read by whoever is in between.")
    ] = False

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the half of certificate and key that is missing."""
        if self.cert_file is None and self.key_file is not None:
            yield "cert_file", "is missing beside key_file"
        if self.key_file is None and self.cert_file is not None:
            yield "key_file", "is missing beside cert_file"


class Vspark(WithToken, frozen=True):
    """The V-Spark installation, and how it is asked."""

    url: Annotated[
        str,
        Meta(
            description="Scheme (`http` or `https`), host, optional port and optional path prefix.",
            examples=["https://vspark.example.com:3000"],
        ),
        checks.check_url,
    ]
    timeout_seconds: Annotated[
        Duration, Meta(description="The time that one poll of one target has, all of its tries together.")
    ] = field(name="timeout", default_factory=partial(Duration, 10))
    max_response_bytes: Annotated[
        Size, Meta(description="The largest answer that is taken in, after decompression.")
    ] = field(name="max_response_size", default_factory=partial(Size, 64 * 1024**2))
    tls: Annotated[Tls, Meta(description="Only with an `https` URL.")] = field(default_factory=Tls)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the tokens, and TLS where there is none."""
        yield from super().problems()
        if str(self.url).lower().startswith("http:") and self.tls != Tls():
            yield "tls", "the URL does not begin with https://"


class Poll(Block, frozen=True):
    """When V-Spark is asked, and for how long an answer counts."""

    interval_seconds: Annotated[Duration, Meta(description="The time from one poll of a target to the next.")] = field(
        name="interval", default_factory=partial(Duration, 60)
    )
    concurrency: Annotated[int, Meta(ge=1, description="The number of requests at a time, over all targets.")] = 4
    stale_after_seconds: Annotated[
        Duration | None,
        Meta(
            description="The time after its last success at which a target's series go, at least 2 intervals of every "
            "target. Without it: 5 intervals of the target.",
            examples=["5m"],
        ),
    ] = field(name="stale_after", default=None)


class Org(Block, frozen=True):
    """An organization of a company: one request for each folder, or one for all of them."""

    name: Annotated[
        Name,
        Meta(description="The organization's short name, as in V-Spark's URLs.", examples=["DocTestCo-DocTesting"]),
    ]
    timezone: Annotated[
        Zone | None,
        Meta(
            description="The organization's time zone in V-Spark, by its name in the tz database. Without it no date "
            "is sent and the server's today counts.",
            examples=["US/Eastern"],
        ),
    ] = None
    folders: Annotated[
        Annotated[tuple[Name, ...], Meta(min_length=1), checks.check_some] | None,
        Meta(
            description="The folders to ask for, one request each. Without it: one request, every folder.",
            examples=[["Test01", "Test02"]],
            extra_json_schema={"uniqueItems": True},
        ),
    ] = None
    interval_seconds: Annotated[Duration | None, Meta(description="Wins over `poll.interval`.", examples=["30s"])] = (
        field(name="interval", default=None)
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the folders that stand twice."""
        for index, message in checks.repeated(self.folders or ()):
            yield f"folders[{index}]", message


class Company(WithToken, frozen=True):
    """A company and those of its organizations that are asked for. Its token wins over the one under `vspark`."""

    name: Annotated[Name, Meta(description="The company's short name, as in V-Spark's URLs.", examples=["DocTestCo"])]
    orgs: Annotated[
        tuple[Org, ...],
        Meta(min_length=1, description="The company's organizations, at least one."),
        checks.check_some,
    ]

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the tokens, and the organizations that stand twice."""
        yield from super().problems()
        for index, message in checks.repeated(org.name for org in self.orgs):
            yield f"orgs[{index}].name", message


class Agents(Block, frozen=True):
    """Which agents get series of their own."""

    enabled: Annotated[bool, Meta(description="Whether there are series for agents.")] = True
    max_per_folder: Annotated[
        int,
        Meta(ge=1, description='The busiest agents of a folder stay, the rest add up under `agent="_other"`.'),
    ] = 1000
    include: Annotated[
        Pattern, Meta(description="A regular expression that the whole agent id has to match.", examples=["[0-9]+"])
    ] = ".*"
    exclude: Annotated[
        Pattern, Meta(description="A regular expression that the whole agent id must not match.", examples=["test-.*"])
    ] = ""
    hash_key_file: Annotated[
        Annotated[Path, checks.check_key] | None,
        Meta(
            description="A file with a key of at least 16 bytes: agent ids are then replaced by a keyed hash "
            "(HMAC-SHA-256, 16 hex digits). What that hides and what not: docs/security.md.",
            examples=["/etc/vspark-exporter/hash-key"],
        ),
    ] = None


class StatsFields(Block, frozen=True):
    """Further names in the JSON of `/stats`, for an installation that has them.

    They win over those of docs/stats-format.md.

    Case, `_`, `-` and spaces do not count.
    """

    calls: Annotated[tuple[str, ...], Meta(description="The number of calls.", examples=[["anzahl"]])] = ()
    average_duration: Annotated[
        tuple[str, ...], Meta(description="The mean duration of a call.", examples=[["mittlere_dauer"]])
    ] = ()
    agents: Annotated[tuple[str, ...], Meta(description="The agents' records.", examples=[["mitarbeiter"]])] = ()

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the names that have two meanings."""
        names = {"calls": self.calls, "average_duration": self.average_duration, "agents": self.agents}
        yield from checks.ambiguous(names)


class Config(Block, frozen=True):
    """The whole configuration."""

    vspark: Vspark
    companies: Annotated[
        tuple[Company, ...],
        Meta(min_length=1, description="What is asked for, at least one company."),
        checks.check_some,
    ]
    poll: Poll = field(default_factory=Poll)
    agents: Agents = field(default_factory=Agents)
    stats_fields: StatsFields = field(default_factory=StatsFields)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield companies that stand twice or have no token, and series that would go between two polls."""
        for index, message in checks.repeated(company.name for company in self.companies):
            yield f"companies[{index}].name", message
        for index, company in enumerate(self.companies):
            if company.token_source is None and self.vspark.token_source is None:
                yield f"companies[{index}]", "has no token; give token_file, token_env or token, here or under vspark"
        stale_after_seconds = self.poll.stale_after_seconds or math.inf
        late = {
            f"companies[{index}].orgs[{place}]": interval_seconds
            for index, company in enumerate(self.companies)
            for place, org in enumerate(company.orgs)
            if stale_after_seconds < 2 * (interval_seconds := org.interval_seconds or self.poll.interval_seconds)
        }
        if late:
            slowest = max(late, key=late.__getitem__)
            yield (
                "poll.stale_after",
                f"has to be at least 2 intervals of {slowest}, {format_duration(late[slowest])} each",
            )


def load_config(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Give the configuration in the file `path`; relative paths in it are relative to its folder.

    An ExceptionGroup of ConfigErrors, one for each problem, where it cannot be accepted; none of them holds a token.
    """
    folder = path.absolute().parent
    try:
        data = read_yaml(path)
    except ConfigError as error:
        raise ExceptionGroup("no configuration", [error]) from None
    config, errors = convert(
        data,
        Config,
        {
            Duration: Duration.parse,
            Size: Size.parse,
            Path: lambda text: checks.existing_file(folder / text),
            LiteralToken: LiteralToken,
            FileToken: partial(checks.token_file, folder),
            EnvToken: lambda text: checks.with_token(EnvToken(text, environ)),
        },
    )
    if errors:
        raise ExceptionGroup("no configuration", errors)
    return config
