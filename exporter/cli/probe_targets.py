"""The targets that `COMPANY[/ORG[/FOLDER]]` means on the command line, whether configured or not."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from exporter.config.schema import Company, Config
from exporter.config.targets import Target
from exporter.errors import ExporterError
from exporter.runtime.terminal import printable

_LISTED = 20


class UnknownTargetError(ExporterError):
    """A name on the command line that nothing can be requested for."""


def select_targets(config: Config, known: Sequence[Target], name: str | None) -> tuple[Target, ...]:
    """Return those of the `known` targets that are in COMPANY[/ORG[/FOLDER]], or all of them without a name.

    An org or folder that is not among them is a target too. It has the token of its company, or else the one under
    `vspark`, and the time zone that the configuration has for its org. Raises UnknownTargetError if `name` is not a
    name, or is a company without targets, or if there is no token for it.
    """
    chosen = tuple(target for target in known if name is None or f"{target.name}/".startswith(f"{name}/"))
    if chosen or name is None:
        return chosen
    company, _, rest = name.partition("/")
    org, _, folder = rest.partition("/")
    if not company or not org or name.endswith("/") or not name.isprintable():
        lines = [f"There is no target {name!r}. There are:" if known else f"There is no target {name!r}, nor another."]
        lines += [f"  {printable(target.name)}" for target in known[:_LISTED]]
        lines += [f"  … and {len(known) - _LISTED} more"] if len(known) > _LISTED else []
        raise UnknownTargetError(
            "\n".join([*lines, "Any other org or folder can be requested as COMPANY/ORG[/FOLDER]."])
        )
    return (_unconfigured(config, known, company, org, folder or None),)


def _unconfigured(config: Config, known: Sequence[Target], company: str, org: str, folder: str | None) -> Target:
    configured = next((each for each in config.companies or () if each.name == company), None)
    token = (configured.token_source if configured else None) or config.vspark.token_source
    if token is None:
        raise UnknownTargetError(
            f"There is no token for {printable(company)}: it is not in the configuration, and there is no token under "
            "vspark. Set token_file, token_env or token under vspark, or add the company with its own."
        )
    zones = {(target.company, target.org): target.zone for target in known}
    interval_seconds = float(config.poll.interval_seconds)
    return Target(
        company=company,
        org=org,
        folder=folder,
        zone=zones.get((company, org), _configured_zone(configured, org)),
        interval_seconds=interval_seconds,
        stale_after_seconds=interval_seconds,
        token=token,
    )


def _configured_zone(company: Company | None, org: str) -> ZoneInfo | None:
    orgs = (company.orgs if company else None) or ()
    return next((ZoneInfo(each.timezone) for each in orgs if each.name == org and each.timezone), None)
