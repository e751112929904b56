"""The correct exposition, by prometheus_client and by a check of our own.

prometheus_client's parsers accept duplicated series, so three parts are needed: its `generate_latest` for the bytes,
its parsers for the structure, and `assert_valid` for the rest.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, exposition, parser
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.registry import Collector

from exporter.exposition.families import Family
from exporter.exposition.text_format import Format

END = b"# EOF\n"

Labels = tuple[tuple[str, str], ...]
"""A series' labels, sorted by their names."""

label_values = st.text() | st.text(alphabet='a\\"\n\r\t{}=,# \x00\x85\u2028é𝄞')
"""Label values, with everything that must be escaped or that some readers take for the end of a line."""
numbers = st.one_of(
    st.integers(min_value=0, max_value=2**70),
    st.floats(min_value=0, allow_nan=False),
    st.floats(max_value=-5e-324, allow_nan=False),
    st.sampled_from([999_999.0, 999_999.9999999999, 1e6, 1_000_001, 9_999_999, 1e7, 1e15, 1e16, 1e21, 5e-324, 1e-7]),
    st.booleans(),
)
"""Sample values, around the numbers at which Go's notation changes."""


@dataclass(frozen=True)
class Sample:
    """A value, its labels in the family's order, and when the counter began, if it is exposed."""

    labels: tuple[str, ...]
    value: float
    created: float | None = None


class _Given(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def expected(families: Mapping[Family, Sequence[Sample]], form: Format) -> bytes:
    """Return the families as `generate_latest` writes them, in their order, without the end of an OpenMetrics page."""
    registry = CollectorRegistry()
    registry.register(_Given(_family(family, samples, form) for family, samples in families.items()))
    write: Callable[[CollectorRegistry], bytes] = (
        openmetrics_exposition.generate_latest if form is Format.OPENMETRICS else exposition.generate_latest
    )
    return write(registry).removesuffix(END)


def _family(family: Family, samples: Sequence[Sample], form: Format) -> Metric:
    if family.type == "gauge":
        gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels, unit=family.unit)
        for sample in samples:
            gauge.add_metric(sample.labels, sample.value)
        return gauge
    counter = CounterMetricFamily(family.name, family.help, labels=family.labels, unit=family.unit)
    for sample in samples:
        # In text 0.0.4 creation times would be a family of their own, which the exporter leaves out.
        counter.add_metric(sample.labels, sample.value, sample.created if form is Format.OPENMETRICS else None)
    return counter


def assert_valid(page: bytes, form: Format) -> dict[tuple[str, Labels], float]:
    """Check a whole page and return its series with their values."""
    text = page.decode()
    lines = text.split("\n")  # not splitlines, which also splits at characters that label values may contain
    assert lines.pop() == ""
    series = Counter(line.rpartition(" ")[0] for line in lines if not line.startswith("#"))
    assert [name for name, count in series.items() if count > 1] == []
    types = Counter(line.split(" ")[2] for line in lines if line.startswith("# TYPE "))
    assert [name for name, count in types.items() if count > 1] == []
    parse: Callable[[str], Iterable[Metric]] = (
        openmetrics_parser.text_string_to_metric_families
        if form is Format.OPENMETRICS
        else parser.text_string_to_metric_families
    )
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(text)
        for sample in family.samples
    }
    assert len(found) == len(series)
    return found
