"""The link to a canary's result: what opens, what is refused, and what says nothing of our Region."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from baton.canary import EXPECTED_RESULT
from baton.memory import LoopClock, MemoryLinkReader, MemoryLinks, MemoryRoutes, Refusal
from baton.model.journal import Verdict
from baton.testing import virtual_time
from baton.topology import REGIONS_DEFAULT
from controller_made import SETTINGS, Trace
from handover import brakes, provided
from handover.provided import Provided, Provision
from handover_shell.link_check import LinkCheck

EAST, WEST = REGIONS_DEFAULT
KEY = "canary-work/c1/e2-p/result.csv"
URL = f"https://links.invalid/{KEY}"


@dataclass
class Made:
    """A check, and what it goes by."""

    links: MemoryLinks = field(init=False)
    reader: MemoryLinkReader = field(default_factory=MemoryLinkReader)
    routes: MemoryRoutes = field(default_factory=MemoryRoutes)
    check: LinkCheck = field(init=False)

    def __post_init__(self) -> None:
        clock = LoopClock()
        self.links = MemoryLinks(clock)
        self.reader.behind[URL] = EXPECTED_RESULT
        self.check = LinkCheck(self.links, self.reader, self.routes, settings=SETTINGS, clock=clock)

    async def follow(self, region: str = EAST, *, seconds: float = 0) -> Provided | None:
        """Follow it after each canary for so long; return what is known then."""
        for _ in range(int(seconds // 15) + 1):
            await self.check.follow(region, KEY, expected=EXPECTED_RESULT)
            await asyncio.sleep(15)
        return self.check.newest


def _played[T](story: Callable[[Made], Awaitable[T]]) -> T:
    async def main() -> T:
        return await story(Made())

    return virtual_time.run(main())


def test_a_link_that_opens_the_result_is_followed_every_five_minutes() -> None:
    async def story(made: Made) -> tuple[Provided | None, int]:
        return await made.follow(seconds=600), made.reader.refusals.asked["read"]

    found, asked = _played(story)

    assert found is not None
    assert (found.provision, found.verdict, asked) == (Provision.LINK, Verdict.HEALTHY, 3)


def test_a_region_to_which_the_access_point_does_not_lead_is_not_asked_through_it() -> None:
    async def story(made: Made) -> tuple[Provided | None, int]:
        return await made.follow(WEST, seconds=60), made.links.refusals.asked["sign"]

    assert _played(story) == (None, 0)


def test_a_refusal_counts_once_it_outlasts_dials_that_turn() -> None:
    async def story(made: Made) -> tuple[Provided | None, Provided | None]:
        made.reader.refusals.refuse("read", by=Refusal.FORBIDDEN)
        return await made.follow(seconds=105), await made.follow(seconds=30)

    first, then = _played(story)

    assert first is not None
    assert then is not None
    assert (first.verdict, then.verdict) == (Verdict.UNKNOWN, Verdict.UNHEALTHY)
    assert "403" in then.value


def test_a_session_that_is_refused_is_refused() -> None:
    async def story(made: Made) -> Provided | None:
        made.links.refusals.refuse("sign", by=Refusal.FORBIDDEN)
        return await made.follow(seconds=180)

    found = _played(story)

    assert found is not None
    assert found.verdict is Verdict.UNHEALTHY


def test_no_answer_and_other_bytes_say_nothing() -> None:
    async def story(made: Made) -> list[Provided | None]:
        made.reader.behind[URL] = b"other"
        other = await made.follow()
        made.reader.behind.clear()
        gone = await made.follow()
        made.routes.refusals.refuse("dials", by=Refusal.THROTTLED)
        return [other, gone, await made.follow()]

    assert [found.verdict for found in _played(story) if found] == [Verdict.UNKNOWN] * 3


def test_an_unknown_link_forbids_nothing_and_a_refused_one_does() -> None:
    unknown = Trace(provided=tuple(each for each in Provision if each is not Provision.LINK)).warm()
    ready = brakes.verdict_of(brakes.own_readiness(unknown.memory, unknown.now))
    refused = Provided(Provision.LINK, Verdict.UNHEALTHY, "403", unknown.now)
    rules = provided.rules({Provision.LINK: refused}, SETTINGS, unknown.now)

    assert ready is Verdict.HEALTHY
    assert not next(each for each in rules if each.name == "link").warns
