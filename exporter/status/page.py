"""The status page as HTML without scripts."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct

from exporter.config.targets import Target
from exporter.exposition.families import FolderFigures
from exporter.polling.discovery_log import DiscoveryFailure
from exporter.polling.discovery_series import differ
from exporter.polling.snapshot import Health, TargetFigures, TargetStatus
from exporter.status.formatting import call_duration, rfc3339, span, visible
from exporter.status.overview import Overview, Totals
from exporter.status.query import Selected, Sort, StatusQuery
from exporter.status.sparkline import Sparkline, sparkline

ROWS_SHOWN: Final = 2000
FOLDERS_SHOWN: Final = 100
"""Folders shown of one org; the filter finds the others."""
_REFRESH_SECONDS: Final = 30
_LONGEST_NAME: Final = 120
_LONGEST_ERROR: Final = 500

_HEALTH_WORDS: Final = {
    Health.STALE: "stale: values removed",
    Health.FAILING: "failing",
    Health.WAITING: "waiting for its first poll",
    Health.OK: "ok",
}
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
    Sort.AGENTS: "Agents",
    "curve": "Calls per half hour",
    Sort.SUCCESS: "Last success",
    Sort.NEXT: "Next poll",
    "error": "Last error",
}
"""The columns in order. Those with a plain key cannot be sorted by."""
_NUMERIC: Final = (Sort.CALLS, Sort.DURATION, Sort.AGENTS)

_Numbers = tuple[str, str, str]
"""Calls, mean duration, agents."""


class _ErrorText(Struct, frozen=True, gc=False):
    """The texts about a target's last error."""

    reason: str
    text: str
    hint: str
    at: str
    ago: str
    recovered: bool


class _Row(Struct, frozen=True, gc=False):
    """One row of the table. The template escapes the texts."""

    kind: str
    health: str = ""
    health_words: str = ""
    company: str = ""
    org: str = ""
    name: str = ""
    zone_note: str = ""
    numbers: _Numbers = ("", "", "")
    curve: Sparkline | None = None
    success: str = ""
    success_at: str = ""
    next_poll: str = ""
    error: _ErrorText | None = None
    folders: str = ""


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
        self, overview: Overview, selected: Sequence[Selected], query: StatusQuery, problems: Sequence[str]
    ) -> Iterator[str]:
        """Yield the page in small pieces; `problems` are those of the query."""
        config, totals = overview.config, overview.totals
        health, headline = _headline(totals, rejected=bool(config.problems))
        shown = _shown(selected)
        json_href = f"{self._json_path}{query.link(refresh=True).removesuffix('?')}"
        return self._template.generate(
            overview=overview,
            query=query,
            headline=headline,
            headline_health=health,
            icon=_icon(health),
            uptime=span(overview.uptime_seconds),
            loaded_age=span(overview.now - config.loaded_at),
            config_problems=[visible(problem, _LONGEST_ERROR) for problem in config.problems],
            discovery_failures=[_discovery_failure(each, overview.now) for each in config.discovery_failures],
            links=self._links | {json_href: "JSON"},
            json_href=json_href,
            filters=[
                (None, "all", totals.targets, query.link(health=None)),
                *((health, health, totals.by_health[health], query.link(health=health)) for health in Health),
            ],
            sorts=[(sort, title) for sort, title in _COLUMNS.items() if isinstance(sort, Sort)],
            problems=[visible(problem, _LONGEST_ERROR) for problem in problems],
            headers=list(_headers(query)),
            matching=len(selected),
            left_out=len(selected) - len(shown),
            rows=_rows(shown, overview.now),
            all_href=StatusQuery(refresh=query.refresh).link(),
            now=rfc3339(overview.now),
            refresh_seconds=_REFRESH_SECONDS,
            refresh_href=query.link(refresh=not query.refresh),
        )


def _shown(selected: Sequence[Selected]) -> list[tuple[Selected, int]]:
    """Return the targets to show, each with the number of its folders to show."""
    shown: list[tuple[Selected, int]] = []
    left = ROWS_SHOWN
    for each in selected:
        if left <= 0:
            break
        left -= 1
        folders = min(each.folders_matching, FOLDERS_SHOWN, left) if each.status.target.folder is None else 0
        left -= folders
        shown.append((each, folders))
    return shown


def _rows(shown: Sequence[tuple[Selected, int]], now: float) -> Iterator[_Row]:
    for each, number in shown:
        target = each.status.target
        yield _target_row(each.status, now)
        for folder, figures in islice(each.folders, number):
            yield _folder_row(each.status, folder, figures, now)
        if target.folder is None and number < each.folders_matching:
            yield _Row("more", folders=f"{each.folders_matching - number:,}", name=_name(target.org))


def _headline(totals: Totals, *, rejected: bool) -> tuple[Health, str]:
    health, text = _targets_headline(totals)
    if not rejected:
        return health, text
    return health if health is Health.STALE else Health.FAILING, f"{text}; the new configuration was rejected"


def _targets_headline(totals: Totals) -> tuple[Health, str]:
    targets = f"{totals.targets:,} {'target' if totals.targets == 1 else 'targets'}"
    bad = {health: count for health in (Health.STALE, Health.FAILING) if (count := totals.by_health[health])}
    if not totals.targets:
        return Health.WAITING, "Nothing to poll"
    if bad:
        (worst, count), *more = bad.items()
        return worst, ", ".join([f"{count:,} of {targets} {worst}", *(f"{count:,} {health}" for health, count in more)])
    if waiting := totals.by_health[Health.WAITING]:
        return Health.WAITING, f"{waiting:,} of {targets} waiting for a first poll"
    return Health.OK, "The target is ok" if totals.targets == 1 else f"All {targets} are ok"


def _headers(query: StatusQuery) -> Iterator[_Header]:
    for sort, title in _COLUMNS.items():
        if not isinstance(sort, Sort):
            yield _Header(title)
        else:
            order = ("descending" if query.descending else "ascending") if sort is query.sort else ""
            yield _Header(title, query.link_sorted_by(sort), order, numeric=sort in _NUMERIC)


def _name(name: str) -> str:
    return visible(name, _LONGEST_NAME)


def _icon(health: Health) -> str:
    """Return the tab's icon, percent-encoded for a data URL."""
    shape, colour = _ICONS[health]
    return quote(f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='{colour}'>{shape}</svg>")


def _target_row(status: TargetStatus, now: float) -> _Row:
    folder, success = status.target.folder, status.polls.last_success_timestamp_seconds
    all_folders = f"all folders ({len(status.folders):,})" if status.figures is not None else "all folders"
    return _Row(
        kind="org" if folder is None else "target",
        health=status.health,
        health_words=_health_words(status),
        company=_name(status.target.company),
        org=_name(status.target.org),
        name=all_folders if folder is None else _name(folder),
        zone_note=_zone_note(status.target, now),
        curve=sparkline(status.target, status.curve, None, now),
        success="never" if status.success_age_seconds is None else f"{span(status.success_age_seconds)} ago",
        success_at="" if success is None else rfc3339(success),
        next_poll="polling now" if status.polling else f"in {span(status.next_poll_seconds)}",
        error=_error_text(status, now),
        numbers=_numbers(status.figures),
    )


def _zone_note(target: Target, now: float) -> str:
    """Return a note if the configured time zone has other offsets than V-Spark's this year, else nothing."""
    zone, vspark = target.zone, target.vspark_zone
    if zone is None or vspark is None or not differ(zone, vspark, datetime.fromtimestamp(now, UTC).year):
        return ""
    return f"configured as {zone.key}, but {vspark.key} in V-Spark"


def _discovery_failure(failure: DiscoveryFailure, now: float) -> dict[str, str]:
    return {
        "company": _name(failure.company) or "list of companies",
        "reason": failure.reason,
        "text": visible(failure.text, _LONGEST_ERROR),
        "since": f"{span(now - failure.since)}",
    }


def _folder_row(status: TargetStatus, folder: str, figures: FolderFigures, now: float) -> _Row:
    return _Row(
        kind="folder",
        name=_name(folder),
        curve=sparkline(status.target, status.curve, folder, now),
        numbers=_numbers(figures),
    )


def _numbers(figures: TargetFigures | FolderFigures | None) -> _Numbers:
    if figures is None:
        return "", "", ""
    mean = figures.average_seconds if figures.calls else None
    return f"{figures.calls:,}", "" if mean is None else call_duration(mean), f"{figures.agents:,}"


def _health_words(status: TargetStatus) -> str:
    if status.health is Health.FAILING and status.figures is None:
        return "failing: never succeeded" if status.success_age_seconds is None else "failing: no values"
    if status.health is Health.WAITING and status.success_age_seconds is not None:
        return "waiting for the new day's first poll"
    return _HEALTH_WORDS[status.health]


def _error_text(status: TargetStatus, now: float) -> _ErrorText | None:
    error = status.last_error
    if error is None:
        return None
    return _ErrorText(
        reason=error.reason,
        text=visible(error.text, _LONGEST_ERROR),
        hint=error.hint,
        at=rfc3339(error.at),
        ago=f"{span(now - error.at)} ago",
        recovered=status.recovered,
    )
