"""The exporter's own metrics, kept by prometheus_client in a separate registry."""

import platform

from prometheus_client import CollectorRegistry, Gauge, Histogram, Metric, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from exporter import __version__
from exporter.config.loaded import ALL, Share
from exporter.exposition.families import Family
from exporter.exposition.text_format import END, Format, header, label_text, sample

_REQUEST_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class SelfMetrics:
    """The exporter's own metrics; `process` adds those of the Python process (`process_*`, `python_*`).

    `share` is in the labels of the build: without shards, it is number 0 of 1, so that one expression counts the
    shards of every exporter.
    """

    def __init__(self, *, process: bool, share: Share = ALL) -> None:
        # Text 0.0.4 has no creation times. As gauges of their own they would be noise.
        disable_created_metrics()
        self.registry = CollectorRegistry()
        self._process_registry = CollectorRegistry()
        self._headers: dict[tuple[str, Format], str] = {}
        self._texts: dict[Format, str] = {}
        if process:
            ProcessCollector(registry=self._process_registry)
            GCCollector(registry=self._process_registry)
            PlatformCollector(registry=self.registry)
        self._request_seconds = Histogram(
            "vspark_api_request_duration_seconds",
            'Duration of each attempt of a request to V-Spark; code="none" if no status arrived.',
            ["code"],
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._request_seconds_by_code: dict[str, Histogram] = {}
        build = Gauge(
            "vspark_exporter_build_info",
            "Always 1; the labels identify the build and the shard, 0 of 1 without shards.",
            ["version", "pythonversion", "shard", "total_shards"],
            registry=self.registry,
        )
        build.labels(__version__, platform.python_version(), share.shard, share.total_shards).set(1)
        self._reload_successful = Gauge(
            "vspark_exporter_config_last_reload_successful",
            "1 if the last attempt to load the configuration succeeded.",
            registry=self.registry,
        )
        self._reload_timestamp_seconds = Gauge(
            "vspark_exporter_config_last_reload_success_timestamp_seconds",
            "When the configuration was last loaded successfully, as a Unix time.",
            registry=self.registry,
        )
        self._web_config_successful = Gauge(
            "vspark_exporter_web_config_last_reload_successful",
            "0 if the web configuration file, or a file that it names, has changed and was rejected.",
            registry=self.registry,
        )
        self._web_config_successful.set(1)
        # These two are exposed when they have a value: not without a web configuration, or without TLS.
        self._web_config_timestamp_seconds = Gauge(
            "vspark_exporter_web_config_last_reload_success_timestamp_seconds",
            "When the web configuration file was last read successfully, as a Unix time; absent without one.",
            registry=None,
        )
        self._certificate_expiration = Gauge(
            "vspark_exporter_web_tls_certificate_expiration_timestamp_seconds",
            "When the certificate of the web configuration, or one of its chain, expires, as a Unix time; absent "
            "without TLS.",
            registry=None,
        )
        self._exposed: set[Gauge] = set()

    def observe_request(self, code: str, seconds: float) -> None:
        """Record an attempt of a request; `code` is the status, or "none" if no status arrived."""
        self._texts.clear()
        if code not in self._request_seconds_by_code:  # to look it up by its labels takes longer than to observe
            self._request_seconds_by_code[code] = self._request_seconds.labels(code)
        self._request_seconds_by_code[code].observe(seconds)

    def config_loaded(self, now: float) -> None:
        """Record that the configuration was loaded at `now`, a Unix time in seconds."""
        self._texts.clear()
        self._reload_successful.set(1)
        self._reload_timestamp_seconds.set(now)

    def config_rejected(self) -> None:
        """Record that a new configuration was rejected."""
        self._texts.clear()
        self._reload_successful.set(0)

    def web_config_loaded(self, now: float, certificate_expires_at: float | None) -> None:
        """Record that the web configuration was read at `now`, and when its certificate expires, in Unix times.

        `certificate_expires_at` is None without TLS, or if it is unknown.
        """
        self._texts.clear()
        self._web_config_successful.set(1)
        self._expose(self._web_config_timestamp_seconds, now)
        self._expose(self._certificate_expiration, certificate_expires_at)

    def web_config_rejected(self) -> None:
        """Record that a change of the web configuration was rejected."""
        self._texts.clear()
        self._web_config_successful.set(0)

    def _expose(self, gauge: Gauge, value: float | None) -> None:
        if value is None and gauge in self._exposed:
            self._exposed.remove(gauge)
            self.registry.unregister(gauge)
        if value is not None:
            gauge.set(value)
            if gauge not in self._exposed:
                self._exposed.add(gauge)
                self.registry.register(gauge)

    def exposition(self, form: Format) -> bytes:
        """Return the metrics as text; OpenMetrics text includes the end of the page.

        Only those of the process differ at every scrape. The others are rendered again after a change.
        """
        if form not in self._texts:
            self._texts[form] = self._text(self.registry, form)
        text = self._text(self._process_registry, form) + self._texts[form]
        return text.encode() + (END if form is Format.OPENMETRICS else b"")

    def _text(self, registry: CollectorRegistry, form: Format) -> str:
        """Return what prometheus_client's `generate_latest` does, in a third of its time."""
        parts = []
        for metric in registry.collect():
            parts.append(self._header(metric, form))
            parts += [sample(each.name, label_text(each.labels), each.value) for each in metric.samples]
        return "".join(parts)

    def _header(self, metric: Metric, form: Format) -> str:
        key = metric.name, form
        text = self._headers.get(key)
        if text is None:
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            family = Family(name, metric.type, metric.documentation, (), metric.unit)
            text = self._headers[key] = header(family, form).decode()
        return text
