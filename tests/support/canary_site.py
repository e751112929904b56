"""A site whose token is a canary, with a folder for each fault."""

from exporter.simulator import Company, Fault, Folder, Org, Site

CANARY = "canary/7f3a+9&c1=%e5 yes".replace(" ", "~")


FAULTS = {
    "slow": Fault.slow(),
    "reset": Fault.reset(),
    "500": Fault.status(500),
    "400": Fault.status(400),
    "401": Fault.status(401),
    "404": Fault.status(404),
    "429": Fault.status(429),
    "redirect": Fault.redirect(),
    "garbage": Fault.garbage(),
    "html": Fault.html(),
    "error_json": Fault.error_json(),
    "truncated": Fault.truncated(),
    "bad_gzip": Fault.bad_gzip(),
}


SITE = Site(
    (Company("Co", CANARY, (Org("Org", "UTC", tuple(Folder(name, 100, ("a",)) for name in ("good", *FAULTS))),)),)
)
