import asyncio
import socket

import pytest

from exporter.vspark.resolver import Resolver


class Lookups:
    """A name server that answers when it is told to."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[list[object]] = asyncio.get_running_loop().create_future()

    async def getaddrinfo(self, *_: object, **__: object) -> list[object]:
        return await self.outcome


async def test_a_name_is_unresolved_until_it_has_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, resolver = asyncio.get_running_loop(), Resolver()
    for answers in (False, True, False):
        monkeypatch.setattr(loop, "getaddrinfo", (lookups := Lookups()).getaddrinfo)
        task = asyncio.create_task(resolver.resolve("v-spark.example", 3000))
        await asyncio.sleep(0)
        assert (resolver.unresolved, resolver.pending) == ("v-spark.example", True)
        if answers:
            lookups.outcome.set_result([(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 3000))])
            assert [each["host"] for each in await task] == ["192.0.2.1"]
            assert (resolver.unresolved, resolver.pending) == ("", False)
        else:
            lookups.outcome.set_exception(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
            with pytest.raises(socket.gaierror):
                await task
            assert (resolver.unresolved, resolver.pending) == ("v-spark.example", False)
