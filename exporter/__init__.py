"""V-Spark call analytics as Prometheus metrics."""

__version__ = "0.1.0"
