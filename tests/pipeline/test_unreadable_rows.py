"""A batch whose row this version cannot read: nobody can do anything for it, and its people are told so, once."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from baton.catalog import load_jobs
from baton.errors import Refused
from baton.memory import Refusal
from baton.ports import Mail
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from baton_proof.two_regions import EAST, WEST, TwoRegions

BODY = b"a\n1\n"
MINUTE = 60


async def _spoilt(pipeline: Pipeline, key: str = "input/passthrough/f.csv") -> str:
    batch_id = await pipeline.upload(key, BODY)
    pipeline.region.ledger.spoil(batch_id)
    return batch_id


async def _minutes(pipeline: Pipeline, minutes: int) -> None:
    """Let them pass, with a sweep in each, and all that is to do done."""
    for _ in range(minutes):
        pipeline.advance(MINUTE)
        await pipeline.process.sweeper.sweep()
        while await pipeline.step():
            pass


def _mails(story: str, minutes: int) -> Sequence[Mail]:
    async def told() -> Sequence[Mail]:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        await _spoilt(pipeline, story)
        await _minutes(pipeline, minutes)
        return list(pipeline.region.mailer.outbox)

    return asyncio.run(told())


def test_the_people_of_its_job_are_told_once_however_often_it_is_swept() -> None:
    (mail,) = _mails("input/passthrough/f.csv", 200)

    assert [str(each) for each in mail.recipients] == ["sales-ops@example.com"]
    assert mail.subject == "Not processed: f.csv (passthrough)"
    for text in (mail.text, mail.html):
        assert "f.csv" in text
        assert "unreadable: " in text
        assert "What to do:" in text
    assert mail.message_id.endswith(".0")


def test_the_operators_are_told_if_its_job_is_not_known() -> None:
    (mail,) = _mails("input/nobody/f.csv", 40)

    assert [str(each) for each in mail.recipients] == ["operators@example.com"]


def test_nobody_is_told_while_a_deployment_may_be_rolling() -> None:
    assert _mails("input/passthrough/f.csv", 29) == []


def test_a_row_that_can_be_read_by_the_time_of_the_mail_goes_on_without_one() -> None:
    async def story() -> list[str]:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        batch_id = await _spoilt(pipeline)
        for _ in range(31):
            pipeline.advance(MINUTE)
            await pipeline.process.sweeper.sweep()
        pipeline.region.ledger.mend(batch_id)
        await pipeline.drive()
        return [mail.subject for mail in pipeline.region.mailer.outbox]

    assert asyncio.run(story()) == ["Done: f.csv (passthrough): 1 records"]


def test_several_sweepers_and_notifiers_send_one_mail() -> None:
    async def story() -> int:
        region = Region()
        pipelines = [Pipeline(load_jobs("baton_jobs"), region=region, duplicate=True) for _ in range(3)]
        await _spoilt(pipelines[0])
        for _ in range(100):
            pipelines[0].advance(MINUTE)
            for pipeline in pipelines:
                await pipeline.process.sweeper.sweep()
            while await pipelines[0].step():
                pass
        return len(region.mailer.outbox)

    assert asyncio.run(story()) == 1


def test_the_standby_leaves_it_to_the_active_region_until_it_is_that_itself() -> None:
    async def story() -> tuple[int, int, int]:
        world = TwoRegions(load_jobs("baton_jobs"))
        await _spoilt(world.east)
        await world.pass_time(3_600, region=WEST)
        before = len(world.mails)
        await world.activate(WEST)
        await world.pass_time(60, region=WEST)
        await world.pass_time(7_200, region=EAST)
        west, east = (len(world.pipelines[region].region.mailer.outbox) for region in (WEST, EAST))
        return before, west, east

    assert asyncio.run(story()) == (0, 1, 0)


@pytest.mark.parametrize("by", [Refusal.THROTTLED, Refusal.FORBIDDEN])
def test_a_mail_that_was_not_taken_is_sent_later(by: Refusal) -> None:
    async def story() -> int:
        region = Region()
        region.mailer.refusals.refuse("send", by=by, calls=2)
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
        await _spoilt(pipeline)
        await _minutes(pipeline, 60)
        return len(region.mailer.outbox)

    assert asyncio.run(story()) == 1


@pytest.mark.parametrize("key", ["input/passthrough/a\u202eb\n.csv", "input/passthrough/" + "x" * 900])
def test_a_name_that_is_hard_to_show_is_one_line_in_the_subject(key: str) -> None:
    (mail,) = _mails(key, 40)

    assert mail.subject.isprintable()


def test_of_a_row_of_which_nothing_is_left_the_operators_get_its_id() -> None:
    async def story() -> tuple[str, Sequence[Mail]]:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        batch_id = await _spoilt(pipeline)
        ledger = pipeline.region.ledger
        row = await ledger.unreadable(batch_id)
        assert row is not None
        ledger.spoil(batch_id, leaving=replace(row, job=None, key=None, owner_epoch=None))
        await _minutes(pipeline, 40)
        with pytest.raises(Refused):
            await ledger.get(batch_id)
        return batch_id, list(pipeline.region.mailer.outbox)

    batch_id, (mail,) = asyncio.run(story())

    assert batch_id in mail.subject
    assert [str(each) for each in mail.recipients] == ["operators@example.com"]
