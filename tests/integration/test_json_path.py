import json

from exporter.simulator import Fault
from tests.support.fake_clock import RunningPoller, target_of, watching
from tests.support.raw_servers import CANARY, until


async def test_a_token_in_what_it_says_is_masked_wherever_it_is_cut() -> None:
    target = target_of("US/Eastern", "A")
    async with watching(target) as (simulator, _, watched):
        await until(lambda: watched.poller.ready)
        texts = [f"{'x' * length} {CANARY} is refused" for length in range(200 - len(CANARY) - 3, 203)]
        for text in texts:
            simulator.fail("C", "O", "A", fault=Fault.answer(json.dumps({"error": text}).encode()), times=1)
            said = (await _said(watched)).removeprefix(text.partition(" ")[0])
            assert said in {" *** is …", " *** …", " …", "…"}
            two = dict(zip(("status", "reason"), text.split(" ", 1), strict=True))
            simulator.fail("C", "O", "A", fault=Fault.answer(json.dumps(two).encode()), times=1)
            said = (await _said(watched)).removeprefix(two["status"])
            assert said in {"; *** is …", "; *** …", "", "*** is …", "; *** is refused", "*** is refused"}


async def _said(watched: RunningPoller) -> str:
    await watched.polled()
    (status,) = watched.poller.status()
    assert status.last_error is not None
    return status.last_error.text.partition("; it says: ")[2]
