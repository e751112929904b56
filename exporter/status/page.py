"""The status page: what a person needs at night without a dashboard, as HTML that needs no script."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct

from exporter.exposition.families import FolderFigures
from exporter.polling.snapshot import Figures, State, TargetStatus
from exporter.status.formatting import clock, rfc3339, span, visible
from exporter.status.overview import Overview, Totals
from exporter.status.query import Selected, Sort, StatusQuery
from exporter.status.sparkline import Sparkline, sparkline

ROWS_SHOWN: Final = 2000
FOLDERS_SHOWN: Final = 100
"""Of one org; the filter reaches the rest."""
_REFRESH_SECONDS: Final = 30
_LONGEST_NAME: Final = 120
_LONGEST_ERROR: Final = 500

_STATES: Final = {
    State.STALE: "stale: values gone",
    State.FAILING: "failing",
    State.WAITING: "waiting for its first poll",
    State.OK: "ok",
}
_ICONS: Final = {
    State.STALE: ("<path d='M1 1h14v14H1z'/>", "#d33"),
    State.FAILING: ("<path d='M8 1l8 14H0z'/>", "#d33"),
    State.WAITING: ("<circle cx='8' cy='8' r='5' fill='none' stroke='#789' stroke-width='3'/>", "none"),
    State.OK: ("<circle cx='8' cy='8' r='7'/>", "#2a4"),
}
"""A shape for each state, beside its colour."""
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
"""In their order; some cannot be sorted by."""
_NUMERIC: Final = (Sort.CALLS, Sort.DURATION, Sort.AGENTS)


_Numbers = tuple[str, str, str]
"""Calls, mean duration, agents."""


class _Trouble(Struct, frozen=True, gc=False):
    """A target's last error, for people."""

    reason: str
    text: str
    hint: str
    at: str
    ago: str
    recovered: bool


class _Row(Struct, frozen=True, gc=False):
    """One row; every text is finished, but not escaped."""

    kind: str
    state: str = ""
    state_words: str = ""
    company: str = ""
    org: str = ""
    name: str = ""
    numbers: _Numbers = ("", "", "")
    curve: Sparkline | None = None
    success: str = ""
    success_at: str = ""
    next_poll: str = ""
    trouble: _Trouble | None = None
    folders: str = ""


class _Header(Struct, frozen=True):
    """A column's header; `order` is how the table is sorted by it, for aria-sort."""

    title: str
    href: str = ""
    order: str = ""
    numeric: bool = False


class StatusPage:
    """Renders the page; its template is read once.

    `links` maps each link in the header to its text, `json_path` is the path of the JSON. Both are relative URLs,
    so that the page works below any path.
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
        """The style's hash, as a Content-Security-Policy names it."""
        self._links = dict(links)
        self._json_path = json_path

    def pieces(
        self, overview: Overview, selected: Sequence[Selected], query: StatusQuery, problems: Sequence[str]
    ) -> Iterator[str]:
        """Give the page in small pieces; `problems` are those of the query."""
        config, totals = overview.config, overview.totals
        headline_state, headline = _headline(totals, refused=bool(config.problems))
        json_href = f"{self._json_path}{query.with_refresh(refresh=True).href.removesuffix('?')}"
        return self._template.generate(
            overview=overview,
            query=query,
            headline=headline,
            headline_state=headline_state,
            icon=_icon(headline_state),
            uptime=span(overview.uptime_seconds),
            loaded_age=span(overview.now - config.loaded_at),
            config_problems=[visible(problem, _LONGEST_ERROR) for problem in config.problems],
            links=self._links | {json_href: "JSON"},
            json_href=json_href,
            states=[
                (None, "all", totals.targets, query.with_state(None).href),
                *((state, state, totals.states[state], query.with_state(state).href) for state in State),
            ],
            sorts=[(sort, title) for sort, title in _COLUMNS.items() if isinstance(sort, Sort)],
            problems=[visible(problem, _LONGEST_ERROR) for problem in problems],
            headers=list(_headers(query)),
            rows=Rows(overview.now, selected),
            everything_href=StatusQuery(refresh=query.refresh).href,
            now=rfc3339(overview.now),
            refresh_seconds=_REFRESH_SECONDS,
            refresh_href=query.with_refresh(refresh=not query.refresh).href,
        )


class Rows:
    """The table's rows, made while they are gone through; how many targets are `left_out` is known after that."""

    def __init__(self, now: float, selected: Sequence[Selected]) -> None:
        self._now = now
        self._selected = selected
        self.matching = len(selected)
        self.left_out = 0

    def __iter__(self) -> Iterator[_Row]:
        left = ROWS_SHOWN
        for number, each in enumerate(self._selected):
            if left <= 0:
                self.left_out = len(self._selected) - number
                return
            yield _target_row(each.status, self._now)
            left -= 1
            if each.status.target.folder is None:
                shown = min(each.folders_matching, FOLDERS_SHOWN, left)
                for folder, figures in islice(each.folders, shown):
                    yield _folder_row(each.status, folder, figures, self._now)
                left -= shown
                if shown < each.folders_matching:
                    yield _Row("more", folders=f"{each.folders_matching - shown:,}", name=_name(each.status.target.org))


def _headline(totals: Totals, *, refused: bool) -> tuple[State, str]:
    state, said = _targets_headline(totals)
    if not refused:
        return state, said
    return state if state is State.STALE else State.FAILING, f"{said}; a new configuration is refused"


def _targets_headline(totals: Totals) -> tuple[State, str]:
    bad = {state: totals.states[state] for state in (State.STALE, State.FAILING) if totals.states[state]}
    if not totals.targets:
        return State.WAITING, "Nothing to poll"
    if bad:
        said = " and ".join(f"{count:,} {state}" for state, count in bad.items())
        return next(iter(bad)), f"{said} of {totals.targets:,} {'target' if totals.targets == 1 else 'targets'}"
    if waiting := totals.states[State.WAITING]:
        return State.WAITING, f"{waiting:,} of {totals.targets:,} waiting for a first poll"
    return State.OK, "The target is ok" if totals.targets == 1 else f"All {totals.targets:,} targets are ok"


def _headers(query: StatusQuery) -> Iterator[_Header]:
    for sort, title in _COLUMNS.items():
        if not isinstance(sort, Sort):
            yield _Header(title)
        else:
            order = ("descending" if query.descending else "ascending") if sort is query.sort else ""
            yield _Header(title, query.sorted_by(sort).href, order, numeric=sort in _NUMERIC)


def _name(name: str) -> str:
    return visible(name, _LONGEST_NAME)


def _icon(state: State) -> str:
    """Draw the tab's icon, percent-encoded as a data URL has it."""
    shape, colour = _ICONS[state]
    return quote(f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='{colour}'>{shape}</svg>")


def _target_row(status: TargetStatus, now: float) -> _Row:
    folder = status.target.folder
    whole = f"all folders ({len(status.folders):,})" if status.figures is not None else "all folders"
    return _Row(
        kind="org" if folder is None else "target",
        state=status.state,
        state_words=_state_words(status),
        company=_name(status.target.company),
        org=_name(status.target.org),
        name=whole if folder is None else _name(folder),
        curve=sparkline(status.target, status.curve, None, now),
        success="never" if status.success_age_seconds is None else f"{span(status.success_age_seconds)} ago",
        success_at="" if status.last_success is None else rfc3339(status.last_success),
        next_poll="polling now" if status.polling else f"in {span(status.next_poll_seconds)}",
        trouble=_trouble(status, now),
        numbers=_numbers(status.figures),
    )


def _folder_row(status: TargetStatus, folder: str, figures: FolderFigures, now: float) -> _Row:
    return _Row(
        kind="folder",
        name=_name(folder),
        curve=sparkline(status.target, status.curve, folder, now),
        numbers=_numbers(figures),
    )


def _numbers(figures: Figures | FolderFigures | None) -> _Numbers:
    if figures is None:
        return "", "", ""
    mean = figures.average_seconds if figures.calls else None
    return f"{figures.calls:,}", "" if mean is None else clock(mean), f"{figures.agents:,}"


def _state_words(status: TargetStatus) -> str:
    if status.state is State.FAILING and status.figures is None:
        return "failing: never succeeded" if status.never_succeeded else "failing: no values"
    if status.state is State.WAITING and not status.never_succeeded:
        return "waiting for the new day's first poll"
    return _STATES[status.state]


def _trouble(status: TargetStatus, now: float) -> _Trouble | None:
    error = status.last_error
    if error is None:
        return None
    return _Trouble(
        reason=error.reason,
        text=visible(error.text, _LONGEST_ERROR),
        hint=error.hint,
        at=rfc3339(error.at),
        ago=f"{span(now - error.at)} ago",
        recovered=status.recovered,
    )
