"""A V-Spark of our own over real HTTP: the upstream of the demo, of the tests and of the benchmarks.

An independent peer: it states how the upstream behaves and shares no code with the exporter.
"""

from exporter.simulator.faults import End, Fault
from exporter.simulator.server import Request, Simulator, utc_now
from exporter.simulator.shapes import Shape
from exporter.simulator.site import Company, Folder, Org, Site, demo_site, wide_site

__all__ = [
    "Company",
    "End",
    "Fault",
    "Folder",
    "Org",
    "Request",
    "Shape",
    "Simulator",
    "Site",
    "demo_site",
    "utc_now",
    "wide_site",
]
