import gc
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest

from exporter.config.targets import Target
from exporter.config.tokens import LiteralToken, Token
from exporter.errors import DecodeError, MappingError
from exporter.vspark.mapped_bodies import LEAST_SECONDS, MappedBodies

TOKEN = Token("canary-T0ken")
TARGET = Target("Co", "Co-Org", "Test01", None, 60.0, 300.0, LiteralToken("canary-T0ken"))
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
HIDDEN = "stats_jq: the program failed; the message is not shown because the response has the token"


class FakeMapper:
    """Returns each body with brackets around it, or raises `error`, and remembers its calls."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[tuple[bytes, Mapping[str, str | None], float]] = []
        self.closed = False

    async def map(self, body: bytes, variables: Mapping[str, str | None], *, timeout_seconds: float) -> bytes:
        self.calls.append((body, variables, timeout_seconds))
        if self.error is not None:
            raise self.error
        return b"[" + body + b"]"

    async def close(self) -> None:
        self.closed = True


async def test_the_program_gets_the_names_of_the_target_the_day_and_the_time_that_is_left() -> None:
    mapper = FakeMapper()
    bodies = MappedBodies(mapper)
    assert await bodies.mapped(TARGET, MONDAY, b"1", TOKEN, 7.5) == b"[1]"
    assert await bodies.mapped(replace(TARGET, folder=None), None, b"2", TOKEN, 0.25) == b"[2]"
    assert mapper.calls == [
        (b"1", {"company": "Co", "org": "Co-Org", "folder": "Test01", "day": "2026-11-23"}, 7.5),
        (b"2", {"company": "Co", "org": "Co-Org", "folder": None, "day": None}, LEAST_SECONDS),
    ]
    await bodies.close()
    assert mapper.closed


async def test_the_same_body_of_the_same_target_and_day_is_mapped_once() -> None:
    mapper = FakeMapper()
    bodies = MappedBodies(mapper)
    first = await bodies.mapped(TARGET, MONDAY, b"1", TOKEN, 5.0)
    assert await bodies.mapped(TARGET, MONDAY, b"1", TOKEN, 5.0) is first
    assert len(mapper.calls) == 1
    other = replace(TARGET, folder="Test02")
    for target, day, body in ((other, MONDAY, b"1"), (TARGET, TUESDAY, b"1"), (TARGET, TUESDAY, b"2")):
        await bodies.mapped(target, day, body, TOKEN, 5.0)
    assert [body for body, _, _ in mapper.calls] == [b"1", b"1", b"1", b"2"]
    assert await bodies.mapped(other, MONDAY, b"1", TOKEN, 5.0) == b"[1]"
    assert len(mapper.calls) == 4


async def test_a_body_that_could_not_be_mapped_is_mapped_again() -> None:
    mapper = FakeMapper(MappingError("the program returned no result"))
    bodies = MappedBodies(mapper)
    for _ in range(2):
        with pytest.raises(MappingError) as caught:
            await bodies.mapped(TARGET, MONDAY, b"1", TOKEN, 5.0)
        assert str(caught.value) == "stats_jq: the program returned no result"
    mapper.error = None
    assert await bodies.mapped(TARGET, MONDAY, b"1", TOKEN, 5.0) == b"[1]"
    assert len(mapper.calls) == 3


async def test_nothing_is_kept_of_a_target_that_is_gone() -> None:
    bodies = MappedBodies(FakeMapper())
    await bodies.mapped(replace(TARGET, folder="gone"), MONDAY, b"1", TOKEN, 5.0)
    gc.collect()
    assert len(bodies._last) == 0


@pytest.mark.parametrize(
    "quoted",
    ["canary-T0ken", "canary%2DT0ken", "canary&#45;T0ken", "c\\u0061nary-T0ken", "c a n a r y - T 0 k e n"],
)
@pytest.mark.parametrize("before", [0, 2**15 - 5, 2**16 - 5])
async def test_a_message_about_a_body_with_the_token_is_not_shown(quoted: str, before: int) -> None:
    """jq and the program itself may cut a value in two, and half a token is not masked by anyone."""
    body = f'{{"x": "{"." * before}{quoted}"}}'.encode()
    bodies = MappedBodies(FakeMapper(MappingError('the program failed: string ("canary-T0...") cannot be parsed')))
    with pytest.raises(MappingError) as caught:
        await bodies.mapped(TARGET, MONDAY, body, TOKEN, 5.0)
    assert str(caught.value) == HIDDEN
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


async def test_a_body_that_is_not_json_says_so() -> None:
    bodies = MappedBodies(FakeMapper(DecodeError("not_json", "$", "the body is empty")))
    with pytest.raises(DecodeError) as caught:
        await bodies.mapped(TARGET, MONDAY, b"", TOKEN, 5.0)
    assert (caught.value.reason, str(caught.value)) == ("not_json", "$: the body is empty")
