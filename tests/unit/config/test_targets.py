from collections import Counter
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from exporter.config.schema import Company, Config, Org, Poll, Vspark
from exporter.config.targets import Target, _fnv1a, _jump_hash, make_targets, shard, stable_hash
from exporter.config.tokens import EnvToken, FileToken, LiteralToken
from exporter.config.units import Duration, DurationOrZero

TOKEN = LiteralToken("s3cret-canary")
OTHER_TOKEN = FileToken(Path("/tokens/other"))


def target(company: str = "DocTestCo", org: str = "DocTestCo-DocTesting", folder: str | None = "Test01") -> Target:
    return Target(company, org, folder, ZoneInfo("US/Eastern"), 60.0, 300.0, TOKEN)


def test_a_target_for_each_folder_or_for_the_whole_org() -> None:
    config = Config(
        vspark=Vspark(url="http://localhost", token=TOKEN),
        poll=Poll(interval_seconds=Duration(60)),
        companies=(
            Company(
                name="A",
                orgs=(
                    Org(name="x", timezone="US/Eastern", folders=("f", "g"), interval_seconds=Duration(30)),
                    Org(name="y"),
                ),
            ),
            Company(name="B", token_file=OTHER_TOKEN, orgs=(Org(name="x", folders=("f",)),)),
        ),
    )
    eastern = ZoneInfo("US/Eastern")
    assert make_targets(config) == (
        Target("A", "x", "f", eastern, 30.0, 150.0, TOKEN),
        Target("A", "x", "g", eastern, 30.0, 150.0, TOKEN),
        Target("A", "y", None, None, 60.0, 300.0, TOKEN),
        Target("B", "x", "f", None, 60.0, 300.0, OTHER_TOKEN),
    )
    assert make_targets(config) == make_targets(config)
    assert [each.name for each in make_targets(config)] == ["A/x/f", "A/x/g", "A/y", "B/x/f"]


def test_stale_after_from_the_file() -> None:
    config = Config(
        vspark=Vspark(url="http://localhost"),
        poll=Poll(stale_after_seconds=Duration(7200)),
        companies=(
            Company(
                name="A",
                token_env=EnvToken("A", {}),
                orgs=(Org(name="x", interval_seconds=Duration(3600)), Org(name="y")),
            ),
        ),
    )
    assert [each.stale_after_seconds for each in make_targets(config)] == [7200.0, 7200.0]


def test_the_previous_day_is_polled_only_if_the_file_says_so() -> None:
    companies = (Company(name="A", token_env=EnvToken("A", {}), orgs=(Org(name="x"),)),)
    config = Config(vspark=Vspark(url="http://localhost"), companies=companies)
    assert [each.previous_day_seconds for each in make_targets(config)] == [0.0]
    config = structs.replace(config, poll=Poll(previous_day_seconds=DurationOrZero(3600)))
    assert [each.previous_day_seconds for each in make_targets(config)] == [3600.0]


def test_a_target_needs_a_token() -> None:
    config = Config(vspark=Vspark(url="http://localhost"), companies=(Company(name="A", orgs=(Org(name="x"),)),))
    with pytest.raises(ValueError, match=r"^no token for A: a Config that load_config returns always has one$"):
        make_targets(config)


def test_a_target_shows_no_token() -> None:
    assert "s3cret" not in repr(target())


@pytest.mark.parametrize(
    ("data", "number"), [(b"", 0xCBF29CE484222325), (b"a", 0xAF63DC4C8601EC8C), (b"foobar", 0x85944171F73967E8)]
)
def test_the_hash_is_fnv1a(data: bytes, number: int) -> None:
    # from the test vectors of draft-eastlake-fnv
    assert _fnv1a(data) == number


@pytest.mark.parametrize(
    ("key", "buckets", "bucket"),
    [(1, 1, 0), (42, 57, 43), (0xDEAD10CC, 1, 0), (0xDEAD10CC, 666, 361), (256, 1024, 520)],
)
def test_the_jump_hash_is_that_of_kube_state_metrics(key: int, buckets: int, bucket: int) -> None:
    # from jump_test.go of dgryski/go-jump, which kube-state-metrics shards by
    assert _jump_hash(key, buckets) == bucket


def test_the_hash_of_a_target_never_changes() -> None:
    assert stable_hash(target("A", "x", "f")) == 1384783562950458894
    assert stable_hash(target("A", "x", None)) == 12496816669729093340
    assert stable_hash(target("Ä", "x y", "/")) == 4794251927783961888
    assert stable_hash(Target("Ä", "x y", "/", None, 1.0, 5.0, OTHER_TOKEN)) == 4794251927783961888


def test_no_two_targets_have_the_same_text() -> None:
    assert stable_hash(target("a", "b", "c")) != stable_hash(target("a/b", "c", None))
    assert stable_hash(target("ab", "c", "d")) != stable_hash(target("a", "bc", "d"))


TARGETS = tuple(target("C", f"org{number % 40}", f"folder {number}") for number in range(4000))


@cache
def shards(total_shards: int) -> dict[str, int]:
    """Return the shard of each target; a target in two shards, or in none, would change the number of targets."""
    shards = [shard(TARGETS, number, total_shards) for number in range(total_shards)]
    assert sum(map(len, shards)) == len(TARGETS)
    return {each.name: number for number, some in enumerate(shards) for each in some}


@pytest.mark.parametrize("total_shards", [1, 2, 3, 10])
def test_every_target_is_in_exactly_one_shard(total_shards: int) -> None:
    assert len(shards(total_shards)) == len(TARGETS)
    sizes = Counter(shards(total_shards).values())
    assert sizes.keys() == set(range(total_shards))
    assert max(abs(size - len(TARGETS) / total_shards) for size in sizes.values()) < 0.15 * len(TARGETS) / total_shards


@pytest.mark.parametrize("total_shards", [1, 2, 3, 9])
def test_a_new_shard_takes_its_part_and_moves_nothing_else(total_shards: int) -> None:
    before, after = shards(total_shards), shards(total_shards + 1)
    moved = [name for name in before if before[name] != after[name]]
    assert {after[name] for name in moved} == {total_shards}
    assert abs(len(moved) * (total_shards + 1) / len(TARGETS) - 1) < 0.15


def test_a_shard_keeps_the_order() -> None:
    some = shard(TARGETS, 1, 3)
    names = {each.name for each in some}
    assert list(some) == [each for each in TARGETS if each.name in names]
    assert shard(TARGETS, 0, 1) == TARGETS
