"""Messages on the wire: those of the first version stay readable, newer ones with more fields too."""

import pytest
from pydantic import ValidationError

from baton.messages import MergeBatch, Message, NotifyBatch, ProcessChunk, SplitBatch, parse

GOLDEN: dict[str, Message] = {
    '{"version":1,"batch_id":"b","owner_epoch":2,"kind":"split"}': SplitBatch(batch_id="b", owner_epoch=2),
    '{"version":1,"batch_id":"b","owner_epoch":2,"kind":"chunk","plan_id":"p","index":3,"resume":true}': ProcessChunk(
        batch_id="b", owner_epoch=2, plan_id="p", index=3, resume=True
    ),
    '{"version":1,"batch_id":"b","owner_epoch":2,"kind":"merge"}': MergeBatch(batch_id="b", owner_epoch=2),
    '{"version":1,"batch_id":"b","owner_epoch":2,"kind":"notify"}': NotifyBatch(batch_id="b", owner_epoch=2),
}


@pytest.mark.parametrize("body", GOLDEN)
def test_a_message_of_version_1_reads_and_writes_as_ever(body: str) -> None:
    assert parse(body) == GOLDEN[body]
    assert GOLDEN[body].model_dump_json() == body


def test_a_field_of_a_newer_sender_is_ignored() -> None:
    body = '{"version":1,"batch_id":"b","owner_epoch":2,"kind":"split","priority":"high"}'

    assert parse(body) == SplitBatch(batch_id="b", owner_epoch=2)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        '{"kind":"split"}',
        '{"version":1,"batch_id":"b","owner_epoch":2,"kind":"explode"}',
        '{"version":2,"batch_id":"b","owner_epoch":2,"kind":"split"}',
        '{"version":1,"batch_id":"","owner_epoch":2,"kind":"split"}',
        '{"version":1,"batch_id":"b","owner_epoch":-2,"kind":"split"}',
    ],
)
def test_what_is_no_message_is_refused(body: str) -> None:
    with pytest.raises(ValidationError):
        parse(body)
