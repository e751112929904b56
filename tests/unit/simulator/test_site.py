from exporter.simulator import demo_site, wide_site
from exporter.simulator.site import Company, Site


def test_every_name_and_token_of_the_demo_is_unique() -> None:
    site = demo_site()
    tokens = [site.root_token, *(company.token for company in site.companies)]
    orgs = [org for company in site.companies for org in company.orgs]
    assert len(set(tokens)) == len(tokens)
    assert len({org.name for org in orgs}) == len(orgs)
    assert all(len({folder.name for folder in org.folders}) == len(org.folders) for org in orgs)
    assert {org.zone.key for org in orgs} == {org.timezone for org in orgs}


def test_a_wide_site_has_the_size_that_is_requested() -> None:
    (company,) = wide_site(3, 2, 5).companies
    assert [org.name for org in company.orgs] == ["WideCo-Org001", "WideCo-Org002", "WideCo-Org003"]
    assert [[len(folder.agents) for folder in org.folders] for org in company.orgs] == [[5, 5]] * 3


def test_no_token_is_shown() -> None:
    site = Site((Company("A", "s3cret-canary", ()),), root_token="s3cret-canary")
    assert "s3cret" not in repr(site)
