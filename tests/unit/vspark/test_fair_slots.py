"""Which waiting request gets a free slot."""

import asyncio
from random import Random
from typing import Any

import pytest

from exporter.vspark.fair_slots import FairSlots, SlotNeeded
from tests.support.raw_servers import until


class Request:
    """A request that holds a slot until it is told to go."""

    def __init__(self, slots: FairSlots, company: str, *, slow: bool = False) -> None:
        self.company, self.slow, self.served = company, slow, False
        self._go = asyncio.Event()
        self.task = asyncio.create_task(self._hold(slots))

    async def _hold(self, slots: FairSlots) -> None:
        async with slots.take(self.company, slow=self.slow):
            self.served = True
            try:
                await self._go.wait()
            finally:
                self.served = False

    async def go(self) -> None:
        self._go.set()
        await self.task


class SpareRequest:
    """A spare request that holds a slot until it is told to go, or another one needs the slot."""

    def __init__(self, slots: FairSlots) -> None:
        self.served = self.interrupted = False
        self._go = asyncio.Event()
        self.task = asyncio.create_task(self._hold(slots))

    async def _hold(self, slots: FairSlots) -> None:
        try:
            async with slots.take_spare():
                self.served = True
                try:
                    await self._go.wait()
                finally:
                    self.served = False
        except SlotNeeded:
            self.interrupted = True

    async def go(self) -> None:
        self._go.set()
        await self.task


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def served(*requests: Request | SpareRequest) -> list[bool]:
    return [request.served for request in requests]


async def test_a_slot_goes_to_the_company_with_the_fewest_and_there_to_the_first() -> None:
    slots = FairSlots(2)
    first, second, third, fourth, other = (Request(slots, company) for company in ("a", "a", "a", "a", "b"))
    await settled()
    assert served(first, second, third, fourth, other) == [True, True, False, False, False]
    await first.go()
    await settled()
    assert served(second, third, fourth, other) == [True, False, False, True]
    await second.go()
    await settled()
    assert served(third, fourth, other) == [True, False, True]
    for request in (third, other, fourth):
        await request.go()


async def test_with_as_many_companies_as_slots_another_one_is_still_served() -> None:
    slots = FairSlots(2)
    requests = [Request(slots, company) for company in "abab"]
    await settled()
    other = Request(slots, "c")
    await settled()
    assert served(*requests, other) == [True, True, False, False, False]
    await requests[0].go()
    await settled()
    assert served(*requests[1:], other) == [True, False, False, True]
    for request in (requests[1], other, *requests[2:]):
        await request.go()


@pytest.mark.parametrize(("number", "for_slow"), [(1, 1), (2, 1), (5, 2)])
async def test_slow_requests_have_half_of_the_slots_at_most(number: int, for_slow: int) -> None:
    slots = FairSlots(number)
    requests = [Request(slots, "a", slow=True) for _ in range(6)]
    await settled()
    assert sum(served(*requests)) == for_slow
    others = [Request(slots, "a") for _ in range(number)]
    await settled()
    assert sum(served(*others)) == number - for_slow
    for request in [*requests, *others]:
        await request.go()


async def test_a_spare_request_waits_until_no_other_one_does() -> None:
    slots = FairSlots(1)
    first, spare, second = Request(slots, "a"), SpareRequest(slots), Request(slots, "b", slow=True)
    await settled()
    assert served(first, spare, second) == [True, False, False]
    await first.go()
    await settled()
    assert served(spare, second) == [False, True]
    await second.go()
    await settled()
    assert spare.served
    await spare.go()


@pytest.mark.parametrize("slow", [False, True])
async def test_a_spare_request_returns_its_slot_to_one_that_needs_it(*, slow: bool) -> None:
    slots = FairSlots(2)
    spare, first = SpareRequest(slots), Request(slots, "a")
    await settled()
    assert served(spare, first) == [True, True]
    second = Request(slots, "a", slow=slow)
    await settled()
    assert (spare.interrupted, served(spare, first, second)) == (True, [False, True, True])
    for request in (first, second):
        await request.go()


async def test_a_slow_request_that_may_not_have_another_slot_interrupts_nothing() -> None:
    slots = FairSlots(3)
    slow, spare, other = Request(slots, "a", slow=True), SpareRequest(slots), Request(slots, "a")
    await settled()
    waiting = Request(slots, "a", slow=True)
    await settled()
    assert served(slow, spare, other, waiting) == [True, True, True, False]
    for request in (slow, waiting, other, spare):
        await request.go()


async def test_spare_requests_come_one_at_a_time() -> None:
    slots = FairSlots(3)
    first, second = SpareRequest(slots), SpareRequest(slots)
    await settled()
    assert served(first, second) == [True, False]
    await first.go()
    await settled()
    assert second.served
    await second.go()


async def test_a_timeout_inside_a_spare_request_is_its_own() -> None:
    slots = FairSlots(1)
    with pytest.raises(TimeoutError):
        async with slots.take_spare():
            raise TimeoutError
    request = Request(slots, "a")
    await settled()
    assert request.served
    await request.go()


@pytest.mark.parametrize("seed", range(50))
async def test_no_place_is_lost_or_held_twice_whoever_is_cancelled(seed: int) -> None:
    random, slots = Random(seed), FairSlots(3)  # noqa: S311 # nothing secret
    requests: list[Request | SpareRequest] = []
    for _ in range(60):
        step = random.random()
        if step < 0.1:
            requests.append(SpareRequest(slots))
        elif step < 0.5 or not requests:
            requests.append(Request(slots, random.choice("abc"), slow=random.random() < 0.4))
        else:
            request = requests.pop(random.randrange(len(requests)))
            if step < 0.75:
                request.task.cancel()
            else:
                request._go.set()
        if random.random() < 0.5:
            await asyncio.sleep(0)
        there = [request for request in requests if request.served]
        assert len(there) <= 3
        assert sum(isinstance(request, Request) and request.slow for request in there) <= 1
    for request in requests:
        request._go.set()
    await until(lambda: all(request.task.done() for request in requests))
    last = [Request(slots, "a") for _ in range(4)]
    await settled()
    assert served(*last) == [True, True, True, False]
    for request in last:
        await request.go()
    assert not slots._waiting
    assert not slots._held


class Model:
    """The rule, by a look at all who wait whenever a slot is free."""

    def __init__(self, slots: int) -> None:
        self.free, self.free_for_slow = slots, max(1, slots // 2)
        self.waiting: list[Request] = []
        self.serving: list[Request] = []
        self.companies_served: list[str] = []

    def serve(self) -> None:
        while self.free and (able := [each for each in self.waiting if self.free_for_slow or not each.slow]):
            chosen = min(able, key=self.rank)  # the first in line of equals
            self.waiting.remove(chosen)
            self.serving.append(chosen)
            self.companies_served.append(chosen.company)
            self.free -= 1
            self.free_for_slow -= chosen.slow

    def rank(self, request: Request) -> tuple[int, int]:
        held = sum(each.company == request.company for each in self.serving)
        last = max((n for n, company in enumerate(self.companies_served) if company == request.company), default=-1)
        return held, last

    def end(self, request: Request) -> None:
        self.serving.remove(request)
        self.free += 1
        self.free_for_slow += request.slow


@pytest.mark.parametrize("seed", range(30))
async def test_those_who_are_served_are_those_that_a_look_at_all_finds(seed: int) -> None:
    random = Random(seed)  # noqa: S311 # nothing secret
    slots, model = FairSlots(number := random.randrange(1, 6)), Model(number)
    for _ in range(200):
        if model.serving and random.random() < 0.45:
            request = random.choice(model.serving)
            model.end(request)
            await request.go()
        else:
            model.waiting.append(Request(slots, random.choice("abcdef"), slow=random.random() < 0.3))
        model.serve()
        await settled()
        assert all(each.served for each in model.serving)
        assert not any(each.served for each in model.waiting)
    for request in (*model.serving, *model.waiting):
        request._go.set()
    await asyncio.gather(*(each.task for each in (*model.serving, *model.waiting)))


@pytest.mark.parametrize("companies", [10, 1000])
async def test_to_serve_one_costs_the_same_for_any_number_of_companies(
    companies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots, looks = FairSlots(16), 0
    requests = [Request(slots, f"{number % companies}") for number in range(3000)]
    await settled()
    rank_of = FairSlots._rank_of

    def counted(self: FairSlots, kind: Any) -> Any:
        nonlocal looks
        looks += 1
        return rank_of(self, kind)

    monkeypatch.setattr(FairSlots, "_rank_of", counted)
    for request in requests:
        request._go.set()
    await asyncio.gather(*(request.task for request in requests))
    assert looks / len(requests) < 15
