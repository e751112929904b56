"""A simulated V-Spark, and what `probe` prints about it."""

import io
import re
from datetime import UTC, datetime

from exporter.cli.probe import Shown, probe
from exporter.config.schema import Company, Config, Discovery, Org, StatsFields, Vspark
from exporter.config.tokens import LiteralToken
from exporter.config.units import Duration
from exporter.simulator import Company as SimulatedCompany
from exporter.simulator import Folder, Simulator, Site
from exporter.simulator import Org as SimulatedOrg

TEXT, JSON, REDACTED = Shown(), Shown(as_json=True), Shown(redacted=True)
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
SITE = Site(
    (
        SimulatedCompany(
            "Co",
            "co-token",
            (
                SimulatedOrg("East", "US/Eastern", (Folder("Süd & West", 100, ("a1",)), Folder("Other", 100))),
                SimulatedOrg("Nowhere", "UTC", (Folder("F", 100),)),
            ),
        ),
    )
)


def config(url: str, fields: StatsFields | None = None, zone: str = "US/Eastern") -> Config:
    return Config(
        vspark=Vspark(url=url, timeout_seconds=Duration(5)),
        companies=(
            Company(
                name="Co",
                token=LiteralToken("co-token"),
                orgs=(Org(name="East", timezone=zone, folders=("Süd & West",)), Org(name="Nowhere")),
            ),
        ),
        discovery=Discovery(enabled=False),
        stats_fields=fields or StatsFields(),
    )


async def probed(
    simulator: Simulator, name: str | None = None, fields: StatsFields | None = None, shown: Shown = TEXT
) -> tuple[int, str]:
    """Return the exit code and the output, without the simulator's port and without times."""
    out = io.StringIO()
    code = await probe(config(simulator.url, fields), name, shown, NOW, out, out)
    text = out.getvalue().replace(simulator.url, "http://v")
    return code, re.sub(r'(?<="seconds": )[0-9.]+', "0", re.sub(r"\d+ ms", "N ms", text))
