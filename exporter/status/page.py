"""The status page as HTML without scripts."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct

from exporter.errors import REASONS
from exporter.polling.snapshot import Health
from exporter.status.causes import Cause, DiscoveryTrouble, discovery_troubles, problem_of
from exporter.status.formatting import Words, rfc3339, span, visible_name, visible_words
from exporter.status.overview import Overview, Totals
from exporter.status.query import Selected, Sort, StatusQuery
from exporter.status.rows import rows_of, shown_of

_REFRESH_SECONDS: Final = 30

_ICONS: Final = {
    Health.STALE: ("<path d='M1 1h14v14H1z'/>", "#d33"),
    Health.FAILING: ("<path d='M8 1l8 14H0z'/>", "#d33"),
    Health.WAITING: ("<circle cx='8' cy='8' r='5' fill='none' stroke='#789' stroke-width='3'/>", "none"),
    Health.OK: ("<circle cx='8' cy='8' r='7'/>", "#2a4"),
}
"""Each with its own shape, for those who cannot tell the colours apart."""
_COLUMNS: Final[dict[Sort | str, str]] = {
    Sort.STATE: "State",
    Sort.NAME: "Company, org, folder",
    Sort.CALLS: "Calls today",
    Sort.DURATION: "Mean duration",
    Sort.AGENTS: "Agents, once per folder",
    "curve": "Calls per half hour",
    Sort.SUCCESS: "Last success",
    Sort.NEXT: "Next poll",
    "error": "Last error",
}
"""The columns in order. Those with a plain key cannot be sorted by."""
_NUMERIC: Final = (Sort.CALLS, Sort.DURATION, Sort.AGENTS)


class _Header(Struct, frozen=True):
    """A column's header; `order` is the value of aria-sort."""

    title: str
    href: str = ""
    order: str = ""
    numeric: bool = False


class StatusPage:
    """Renders the page. The template is read once.

    `links` maps the URL of each link in the header to its text, `json_path` is the URL of the JSON. All are relative,
    so that the page works under any path prefix.
    """

    def __init__(self, links: Mapping[str, str], json_path: str) -> None:
        environment = Environment(
            loader=PackageLoader("exporter.status"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._template = environment.get_template("status.html")
        style = environment.get_template("status.css").render().encode()
        self.style_hash = f"sha256-{b64encode(sha256(style).digest()).decode()}"
        """The hash of the style sheet, in the notation of a Content-Security-Policy."""
        self._links = dict(links)
        self._json_path = json_path

    def html(
        self,
        overview: Overview,
        causes: Sequence[Cause],
        selected: Sequence[Selected],
        query: StatusQuery,
        problems: Sequence[str],
    ) -> Iterator[str]:
        """Yield the page in small pieces; `problems` are those of the query."""
        config, totals = overview.config, overview.totals
        discovery, of_causes = discovery_troubles(config.discovery_failures, causes)
        health, headline = _headline(totals, causes, discovery, rejected=bool(config.problems))
        shown = shown_of(selected)
        json_href = f"{self._json_path}{query.link(refresh=True).removesuffix('?')}"
        return self._template.generate(
            overview=overview,
            query=query,
            headline=headline,
            headline_health=health,
            icon=_icon(health),
            uptime=span(overview.uptime_seconds),
            loaded_age=span(overview.now - config.loaded_at),
            config_problems=[visible_words(problem) for problem in config.problems],
            causes=[_cause(each, query, discovery=each in of_causes) for each in causes],
            discovery=[_discovery(each, overview.now) for each in discovery],
            links=self._links | {json_href: "JSON"},
            json_href=json_href,
            filters=[
                (None, "all", totals.targets, query.link(health=None)),
                *((health, health, totals.by_health[health], query.link(health=health)) for health in Health),
            ],
            sorts=[(sort, title) for sort, title in _COLUMNS.items() if isinstance(sort, Sort)],
            problems=[visible_words(problem) for problem in problems],
            headers=list(_headers(query)),
            matching=len(selected),
            left_out=len(selected) - len(shown),
            rows=rows_of(shown, overview.now),
            all_reasons_href=query.link(reason=""),
            all_href=StatusQuery(refresh=query.refresh).link(),
            now=rfc3339(overview.now),
            refresh_seconds=_REFRESH_SECONDS,
            refresh_href=query.link(refresh=not query.refresh),
        )


def _headline(
    totals: Totals, causes: Sequence[Cause], discovery: Sequence[DiscoveryTrouble], *, rejected: bool
) -> tuple[Health, str]:
    health, text = _targets_headline(totals, causes) if totals.targets else _nothing_headline(discovery)
    if not rejected:
        return health, text
    return health if health is Health.STALE else Health.FAILING, f"{text}; the new configuration was rejected"


def _targets_headline(totals: Totals, causes: Sequence[Cause]) -> tuple[Health, str]:
    targets = _number(totals.targets)
    if causes:
        why = f": {visible_words(causes[0].problem)}" if len(causes) == 1 else f", for {len(causes)} reasons"
        health = Health.STALE if totals.by_health[Health.STALE] else Health.FAILING
        return health, f"{_failing(sum(cause.count for cause in causes), totals.targets)}{why}"
    if waiting := totals.by_health[Health.WAITING]:
        return Health.WAITING, f"{waiting:,} of {targets} waiting for a first poll"
    return Health.OK, "The target is ok" if totals.targets == 1 else f"All {targets} are ok"


def _nothing_headline(discovery: Sequence[DiscoveryTrouble]) -> tuple[Health, str]:
    if not discovery:
        return Health.WAITING, "Nothing to poll"
    problems = {problem_of(trouble.text) for trouble in discovery}
    why = f": {visible_words(*problems)}" if len(problems) == 1 else f", for {len(problems)} reasons"
    return Health.FAILING, f"Nothing to poll, because discovery fails{why}"


def _failing(count: int, targets: int) -> str:
    if targets == 1:
        return "The target fails"
    if count == targets:
        return f"All {targets:,} targets fail"
    return f"{count:,} of {targets:,} targets {'fails' if count == 1 else 'fail'}"


def _headers(query: StatusQuery) -> Iterator[_Header]:
    for sort, title in _COLUMNS.items():
        if not isinstance(sort, Sort):
            yield _Header(title)
        else:
            order = ("descending" if query.descending else "ascending") if sort is query.sort else ""
            yield _Header(title, query.link_sorted_by(sort), order, numeric=sort in _NUMERIC)


def _icon(health: Health) -> str:
    """Return the tab's icon, percent-encoded for a data URL."""
    shape, colour = _ICONS[health]
    return quote(f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='{colour}'>{shape}</svg>")


def _cause(cause: Cause, query: StatusQuery, *, discovery: bool) -> dict[str, Any]:
    return {
        "reason": cause.reason,
        "problem": visible_words(cause.problem),
        "action": cause.action,
        "count": _number(cause.count),
        "errors": [(Words.of(text), "" if count == cause.count else _number(count)) for text, count in cause.errors],
        "targets": [visible_name(name) for name in cause.targets],
        "more": cause.count - len(cause.targets),
        "href": query.link(reason=cause.reason, health=None, filter="") if cause.reason else "",
        "discovery": discovery,
    }


def _number(targets: int) -> str:
    return f"{targets:,} {'target' if targets == 1 else 'targets'}"


def _discovery(trouble: DiscoveryTrouble, now: float) -> dict[str, Any]:
    return {
        "companies": [visible_name(company) or "list of companies" for company in trouble.companies],
        "more": trouble.count - len(trouble.companies),
        "reason": trouble.reason,
        "words": Words.of(trouble.text),
        "action": REASONS[trouble.reason].action,
        "since": span(now - trouble.since),
    }
