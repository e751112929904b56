"""What tests/unit/polling/test_org_day.py checks for some time zones, for all of them. It takes seconds."""

import pytest

from tests.support.zone_changes import ZONES, check_changes


@pytest.mark.parametrize(("first", "last"), [(2004, 2010), (2011, 2040)])
def test_around_every_change_of_every_zone_a_day_ends_where_the_next_one_begins(first: int, last: int) -> None:
    assert check_changes(ZONES, first, last) > 2000
