import json

import pytest

from exporter.simulator import Fault
from exporter.stats.json_path import at, saying
from tests.support.fake_clock import target_of, watching
from tests.support.raw_servers import CANARY, until


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Invalid company", "; it says: Invalid company"),
        ("  Invalid\n\tcompany ", "; it says: Invalid company"),
        ("\x1b[2J\u202ex", "; it says: \\x1b[2J\\u202ex"),
        ("", ""),
        (" \n", ""),
        (404, ""),
        (None, ""),
        (["x"], ""),
        ("x" * 200, f"; it says: {'x' * 200}"),
        ("x" * 201, "; it says: …"),
        (f"{'x' * 196} yyy z", f"; it says: {'x' * 196} yyy …"),
        (f"{'x' * 196} yyyy", f"; it says: {'x' * 196} …"),
        (f"x{' ' * 10**6}y", "; it says: x …"),
    ],
)
def test_what_it_says_is_quoted_up_to_a_white_space(value: object, expected: str) -> None:
    assert saying(value) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [(0, "$[0]"), ("A", "$.A"), ("1 2", '$["1 2"]'), ("é", '$["\\u00e9"]'), ("x" * 61, "$[a key of 61 characters]")],
)
def test_places(key: str | int, expected: str) -> None:
    assert at("$", key) == expected


async def test_a_token_in_what_it_says_is_masked_wherever_it_is_cut() -> None:
    target = target_of("US/Eastern", "A")
    async with watching(target) as (simulator, _, watched):
        await until(lambda: watched.poller.ready)
        texts = [f"{'x' * length} {CANARY} is refused" for length in range(200 - len(CANARY) - 3, 203)]
        for text in texts:
            simulator.fail("C", "O", "A", fault=Fault.answer(json.dumps({"error": text}).encode()), times=1)
            await watched.polled()
            (status,) = watched.poller.status()
            assert status.last_error is not None
            said = status.last_error.text.partition("; it says: ")[2].removeprefix(text.partition(" ")[0])
            assert said in {" *** is …", " *** …", " …", "…"}
