"""What a controller asks of its Region: every five minutes, and again at once if there was no answer."""

import asyncio
from typing import override

from baton.memory import LoopClock, MemoryProvisions, Refusal
from baton.model.journal import Verdict
from baton.ports import MailProvision
from baton.testing import virtual_time
from failover_controller.provisions_asker import ProvisionsAsker
from handover.provided import Provided, Provision
from handover.settings import ControllerSettings

SETTINGS = ControllerSettings()


def _asked(provisions: MemoryProvisions, times: int, *, pause_seconds: float = 15) -> list[Provided]:
    found = list[Provided]()

    async def main() -> None:
        asker = ProvisionsAsker(provisions, settings=SETTINGS, clock=LoopClock(), found=found.append)
        for _ in range(times):
            await asker.ask()
            await asyncio.sleep(pause_seconds)

    virtual_time.run(main())
    return found


def test_everything_is_asked_once_in_five_minutes() -> None:
    provisions = MemoryProvisions()

    found = _asked(provisions, times=41)  # 0 to 600 s

    asked = [each.provision for each in found if each.provision is not Provision.LINK]
    assert asked == [each for each in Provision if each is not Provision.LINK] * 3
    assert {each.verdict for each in found} == {Verdict.HEALTHY}


def test_what_is_refused_says_nothing_delays_nothing_and_is_asked_again() -> None:
    provisions = MemoryProvisions()
    provisions.refusals.refuse("denied", by=Refusal.FORBIDDEN, calls=2)

    found = _asked(provisions, times=3)

    rights = [each for each in found if each.provision is Provision.RIGHTS]
    assert [each.verdict for each in rights] == [Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.HEALTHY]
    assert "403 AccessDenied" in rights[0].value
    assert len(found) == 3 + 3 + 3


def test_an_answer_may_take_longer_than_a_call_of_a_look() -> None:
    class Slow(MemoryProvisions):
        @override
        async def mail(self) -> MailProvision | None:
            await asyncio.sleep(3 * SETTINGS.call_seconds)
            return await super().mail()

    found = _asked(Slow(), times=1)

    assert {each.verdict for each in found} == {Verdict.HEALTHY}


def test_a_region_in_which_there_is_nothing_to_ask_lacks_nothing() -> None:
    provisions = MemoryProvisions()
    provisions.of_mail = provisions.denies = provisions.running = provisions.rooms = None

    found = _asked(provisions, times=1)

    assert [(each.verdict, each.value) for each in found] == [(Verdict.HEALTHY, "nothing to ask here")] * 5
