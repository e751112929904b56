"""A simulated V-Spark over real HTTP, for the demo, the tests and the benchmarks.

It takes a `Site` of companies, orgs and folders, and responds to `/stats`, `/list` and `/config` as V-Spark does,
or with a `Fault`. It shares no code with the exporter, so that a misunderstanding cannot hide in both. Open `server`
first.
"""

from exporter.simulator.afternoon import afternoon_site, zone_at
from exporter.simulator.faults import End, Fault
from exporter.simulator.server import Request, Simulator, utc_now
from exporter.simulator.shapes import FOREIGN_SHAPES, Shape
from exporter.simulator.site import Company, Folder, Org, Site, demo_site, wide_site

__all__ = [
    "FOREIGN_SHAPES",
    "Company",
    "End",
    "Fault",
    "Folder",
    "Org",
    "Request",
    "Shape",
    "Simulator",
    "Site",
    "afternoon_site",
    "demo_site",
    "utc_now",
    "wide_site",
    "zone_at",
]
