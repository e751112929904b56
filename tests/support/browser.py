"""A real Chromium without a window, controlled by the Chrome DevTools Protocol over its WebSocket."""

import asyncio
import base64
import json
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.support.tools import tool

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    *("--remote-debugging-port=0", "about:blank"),
)
DEADLINE_SECONDS = 60.0
_PHONE_PIXELS = 600


class Tab:
    """One tab. `messages` holds the lines of its console, including violations of the Content-Security-Policy."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._responses: dict[int, asyncio.Future[Any]] = {}
        self._loaded = asyncio.Event()
        self.messages: list[str] = []

    async def listen(self) -> None:
        """Receive responses and events until the socket closes."""
        async for message in self._socket:
            event = json.loads(message.data)
            match event.get("method"):
                case None:
                    self._responses.pop(event["id"]).set_result(event)
                case "Page.loadEventFired":
                    self._loaded.set()
                case "Log.entryAdded":
                    self.messages.append(event["params"]["entry"]["text"])
                case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                    self.messages.append(json.dumps(event["params"]))

    async def ask(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result."""
        self._number += 1
        pending = self._responses[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        async with asyncio.timeout(DEADLINE_SECONDS):
            response = await pending
        assert "error" not in response, response
        return response["result"]

    async def open(self, url: str) -> None:
        """Open a page and wait until it has loaded."""
        self._loaded.clear()
        await self.ask("Page.navigate", url=url)
        await self.until_loaded()

    async def until_loaded(self) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._loaded.wait()
        self._loaded.clear()

    async def look(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page, even if scripts are disabled there."""
        response = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in response, response
        return response["result"].get("value")

    async def press(self, key: str, code: int, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            await self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

    async def resize(self, width: int, height: int, scale: float = 1.0, *, dark: bool = False) -> None:
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.ask("Emulation.setEmulatedMedia", features=features)
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < _PHONE_PIXELS,
        )

    async def picture(self) -> bytes:
        """Return a PNG of the whole page."""
        shot = await self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])


@asynccontextmanager
async def browsing() -> AsyncIterator[Tab]:
    """Run Chromium while the block runs; yield its tab."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            tool("chromium", "chromium"),
            *(f"--user-data-dir={profile}", *FLAGS),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                port = await _port(process)
            # Chromium keeps writing to stderr and would block if the pipe filled up.
            async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession() as session:
                reading = tasks.create_task(process.stderr.read()) if process.stderr else None
                async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                    (page,) = (each for each in json.loads(await response.read()) if each["type"] == "page")
                async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    tab = Tab(socket)
                    listening = tasks.create_task(tab.listen())
                    for domain in ("Page", "Log", "Runtime", "Accessibility"):
                        await tab.ask(f"{domain}.enable")
                    yield tab
                    listening.cancel()
                process.terminate()
                if reading is not None:
                    await reading
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stderr is not None
    while line := await process.stderr.readline():
        if found := re.search(rb"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line):
            return int(found[1])
    raise AssertionError("Chromium did not start")
