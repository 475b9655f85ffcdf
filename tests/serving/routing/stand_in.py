"""An engine's door for tests that decide themselves when it answers."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(slots=True)
class StandIn:
    """Answers with a status some seconds after it may, and counts."""

    status: int = 200
    seconds: float = 0.0
    may: asyncio.Event | None = None
    asked: int = 0
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        await request.read()
        if self.may is not None:
            await self.may.wait()
        await asyncio.sleep(self.seconds)
        self.answered.set()
        return web.json_response({"usage": {"completion_tokens": 1}}, status=self.status)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[str]:
        app = web.Application()
        app.router.add_post("/v1/completions", self.answer)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()
