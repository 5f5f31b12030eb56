"""Runs a coroutine in a plain test, with a deadline instead of a hang."""

import asyncio
from collections.abc import Coroutine
from typing import Any


def run[T](main: Coroutine[Any, Any, T], *, timeout_seconds: float = 60) -> T:
    """Run `main` to its end on a fresh event loop. Raises `TimeoutError` after the deadline."""

    async def bounded() -> T:
        async with asyncio.timeout(timeout_seconds):
            return await main

    return asyncio.run(bounded())
