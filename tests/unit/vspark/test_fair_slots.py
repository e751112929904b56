"""Whose turn it is."""

import asyncio
from random import Random

import pytest

from exporter.vspark.fair_slots import FairSlots
from tests.support.raw_servers import until


class Visitor:
    """Somebody who takes a place and goes when told."""

    def __init__(self, turns: FairSlots, group: str, *, slow: bool = False) -> None:
        self.group, self.slow, self.inside = group, slow, False
        self._go = asyncio.Event()
        self.task = asyncio.create_task(self._visit(turns))

    async def _visit(self, turns: FairSlots) -> None:
        async with turns.take(self.group, slow=self.slow):
            self.inside = True
            try:
                await self._go.wait()
            finally:
                self.inside = False

    async def go(self) -> None:
        self._go.set()
        await self.task


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def inside(*visitors: Visitor) -> list[bool]:
    return [visitor.inside for visitor in visitors]


async def test_a_place_goes_to_the_group_with_the_fewest_and_there_to_the_first() -> None:
    turns = FairSlots(2)
    first, second, third, fourth, other = (Visitor(turns, group) for group in ("a", "a", "a", "a", "b"))
    await settled()
    assert inside(first, second, third, fourth, other) == [True, True, False, False, False]
    await first.go()
    await settled()
    assert inside(second, third, fourth, other) == [True, False, False, True]
    await second.go()
    await settled()
    assert inside(third, fourth, other) == [True, False, True]
    for visitor in (third, other, fourth):
        await visitor.go()


async def test_with_as_many_groups_as_places_another_one_still_has_its_turn() -> None:
    turns = FairSlots(2)
    visitors = [Visitor(turns, group) for group in "abab"]
    await settled()
    other = Visitor(turns, "c")
    await settled()
    assert inside(*visitors, other) == [True, True, False, False, False]
    await visitors[0].go()
    await settled()
    assert inside(*visitors[1:], other) == [True, False, False, True]
    for visitor in (visitors[1], other, *visitors[2:]):
        await visitor.go()


@pytest.mark.parametrize(("places", "for_slow"), [(1, 1), (2, 1), (5, 2)])
async def test_who_is_slow_has_half_of_the_places_at_most(places: int, for_slow: int) -> None:
    turns = FairSlots(places)
    visitors = [Visitor(turns, "a", slow=True) for _ in range(6)]
    await settled()
    assert sum(inside(*visitors)) == for_slow
    others = [Visitor(turns, "a") for _ in range(places)]
    await settled()
    assert sum(inside(*others)) == places - for_slow
    for visitor in [*visitors, *others]:
        await visitor.go()


@pytest.mark.parametrize("seed", range(50))
async def test_no_place_is_lost_or_taken_twice_whoever_is_cancelled(seed: int) -> None:
    random, turns = Random(seed), FairSlots(3)  # noqa: S311 # nothing secret
    visitors: list[Visitor] = []
    for _ in range(60):
        step = random.random()
        if step < 0.5 or not visitors:
            visitors.append(Visitor(turns, random.choice("abc"), slow=random.random() < 0.4))
        else:
            visitor = visitors.pop(random.randrange(len(visitors)))
            if step < 0.75:
                visitor.task.cancel()
            else:
                visitor._go.set()
        if random.random() < 0.5:
            await asyncio.sleep(0)
        there = [visitor for visitor in visitors if visitor.inside]
        assert len(there) <= 3
        assert sum(visitor.slow for visitor in there) <= 1
    for visitor in visitors:
        visitor._go.set()
    await until(lambda: all(visitor.task.done() for visitor in visitors))
    last = [Visitor(turns, "a") for _ in range(4)]
    await settled()
    assert inside(*last) == [True, True, True, False]
    for visitor in last:
        await visitor.go()
    assert not turns._waiting
    assert not turns._taken
    assert not turns._last_turns
