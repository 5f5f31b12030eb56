"""What every mailer and every signer of links does."""

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from aio import run
from baton.address import Address
from baton.errors import BatchFailed
from baton.ports import Mail
from worlds import SENDER, UNVERIFIED, Ports, World, in_world

ANN, BOB = Address.parse("Ann Übel <ann@example.org>"), Address.parse("Doe, Bob <bob@bücher.example>")
MAIL = Mail(
    message_id="baton.0123456789abcdef0123.1",
    sender=SENDER,
    recipients=(ANN, BOB),
    subject="Märzumsätze.csv is ready",
    text="10 records\n",
    html="<p>10 records: <b>übersetzt</b></p>\n",
)
MANY = tuple(Address("", f"user{number}", "example.com") for number in range(51))


@pytest.fixture
def shared() -> bool:
    """Say that mail and roles are one for both Regions."""
    return True


@in_world
async def test_a_mail_goes_out_as_it_was_written(ports: Ports) -> None:
    mail = replace(MAIL, subject=f"Märzumsätze {uuid.uuid4()}")

    service_id = await ports.mailer.send(mail)

    (sent,) = [each for each in await ports.sent() if each.subject == mail.subject]
    assert service_id
    assert sent.sender.spec == "baton@example.com"
    assert [each.spec for each in sent.recipients] == ["ann@example.org", "bob@xn--bcher-kva.example"]
    assert (sent.text.split(), sent.html.split()) == (mail.text.split(), mail.html.split())


@pytest.mark.differs(localstack="LocalStack adds the recipients of the header to those of the envelope, and takes 50")
@in_world
async def test_a_mail_goes_to_fifty_at_once(ports: Ports) -> None:
    refused = None
    try:
        await ports.mailer.send(replace(MAIL, recipients=MANY[:50]))
    except BatchFailed as error:
        refused = str(error)

    assert refused is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"recipients": MANY}, id="more than fifty recipients"),
        pytest.param({"recipients": ()}, id="no recipient"),
        pytest.param({"recipients": (ANN, Address("", "jörg", "example.com"))}, id="a local part beyond ASCII"),
        pytest.param({"recipients": (Address("", "info", "bücher.example"),)}, id="a domain that is not encoded"),
        pytest.param({"recipients": (Address("", "a", "localhost"),)}, id="a domain that is none"),
        pytest.param({"sender": Address("", "bätön", "example.com")}, id="a sender beyond ASCII"),
        pytest.param({"text": "abcdefgh\n" * 5_000_000}, id="a mail of more than 40 MB"),
    ],
)
def test_what_the_mail_service_would_not_take_is_refused_for_good(world: World, changes: dict[str, Any]) -> None:
    async def story() -> None:
        async with world() as ports:
            with pytest.raises(BatchFailed) as refused:
                await ports.mailer.send(replace(MAIL, **changes))
            assert refused.value.code == "mail_refused"

    run(story())


@in_world
async def test_a_sender_that_nobody_verified_is_refused_for_good(ports: Ports) -> None:
    with pytest.raises(BatchFailed) as refused:
        await ports.mailer.send(replace(MAIL, sender=UNVERIFIED))

    assert refused.value.code == "mail_refused"
    assert UNVERIFIED.spec in refused.value.reason


@in_world
async def test_a_link_lives_sixty_minutes_and_says_until_when(ports: Ports) -> None:
    before = ports.clock.now()

    link = await ports.links.sign("output/sales/b1/e2/result.csv")

    after = ports.clock.now()
    assert "/output/sales/b1/e2/result.csv?" in link.url
    # Signatures count in whole seconds; credentials end by the clock of their issuer.
    assert before + timedelta(minutes=60, seconds=-2) <= link.expires_at <= after + timedelta(minutes=60)
