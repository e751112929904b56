"""What a web configuration file requires of every request: a password and a limited rate; and its response headers."""

import base64
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from exporter.web.endpoints import HEALTHY_PATH, READY_PATH
from exporter.web.toolkit.file import WebConfigFile
from exporter.web.toolkit.passwords import Passwords, TooManyChecksError
from exporter.web.toolkit.schema import WebConfig

OPEN_PATHS: Final = (HEALTHY_PATH, READY_PATH)
"""Served without a password and a limit, so that probes keep working. They reveal nothing but the exporter's health."""


class _TokenBucket:
    """Full at first. Each request takes one token, and one comes back after each interval."""

    def __init__(self, interval_seconds: float, burst: int, now: float) -> None:
        self._interval_seconds = interval_seconds
        self._burst = burst
        self._tokens = float(burst)
        self._updated = now

    def take(self, now: float) -> bool:
        """Take a token; return whether there was one."""
        self._tokens = min(self._burst, self._tokens + (now - self._updated) / self._interval_seconds)
        self._updated = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class AccessControl:
    """Checks every request by the rules that `file` contains at that time."""

    def __init__(self, file: WebConfigFile, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._monotonic = monotonic
        self._config = WebConfig()
        self._passwords = Passwords({})
        self._bucket: _TokenBucket | None = None

    def protect(self, app: web.Application) -> None:
        """Check every request to `app`, and add the configured headers to its responses."""
        app.middlewares.insert(0, self._check)
        app.on_response_prepare.append(self._add_headers)

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        config = self._current()
        if request.rel_url.raw_path not in OPEN_PATHS:  # `path` would also decode %2F to a slash
            if self._bucket and not self._bucket.take(self._monotonic()):
                raise web.HTTPTooManyRequests
            if config.users and not await self._is_known(request):
                raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Basic"})
        return await handler(request)

    async def _is_known(self, request: web.Request) -> bool:
        credentials = _user_and_password(request.headers.get("Authorization", ""))
        try:
            return credentials is not None and await self._passwords.check(*credentials)
        except TooManyChecksError:
            raise web.HTTPServiceUnavailable(
                text="Too many passwords are being checked, try again later.\n", headers={"Retry-After": "1"}
            ) from None

    async def _add_headers(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self._file.config.headers)

    def _current(self) -> WebConfig:
        config, before = self._file.config, self._config
        if config is not before:
            self._config = config
            if config.users != before.users:
                self._passwords = Passwords(config.users)
            if config.rate_limit != before.rate_limit:
                self._bucket = None
                if (limit := config.rate_limit) and limit.interval_seconds:
                    self._bucket = _TokenBucket(limit.interval_seconds, limit.burst or 0, self._monotonic())
        return config


def _user_and_password(header: str) -> tuple[str, bytes] | None:
    """Return the credentials of `Basic` and base64 of `user:password` (RFC 7617, UTF-8); None for anything else."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except ValueError:  # of either decoding
        return None
