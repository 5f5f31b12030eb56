"""What every mailer and every signer of links does."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from baton.errors import BatchFailed
from baton.ports import Mail
from worlds import SENDER, UNVERIFIED, Ports, in_world

MAIL = Mail(
    message_id="baton.0123456789abcdef0123.1",
    sender=SENDER,
    recipients=("ann@example.org", "bob@example.org"),
    subject="Märzumsätze.csv is ready",
    text="10 records\n",
    html="<p>10 records: <b>übersetzt</b></p>\n",
)


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
    assert (sent.sender, tuple(sent.recipients)) == (mail.sender, mail.recipients)
    assert (sent.text.split(), sent.html.split()) == (mail.text.split(), mail.html.split())


@in_world
async def test_a_sender_that_nobody_verified_is_refused_for_good(ports: Ports) -> None:
    with pytest.raises(BatchFailed) as refused:
        await ports.mailer.send(replace(MAIL, sender=UNVERIFIED))

    assert refused.value.code == "mail_refused"
    assert UNVERIFIED in refused.value.reason


@in_world
async def test_a_link_lives_sixty_minutes_and_says_until_when(ports: Ports) -> None:
    before = ports.clock.now()

    link = await ports.links.sign("output/sales/b1/e2/result.csv")

    after = ports.clock.now()
    assert "/output/sales/b1/e2/result.csv?" in link.url
    # Signatures count in whole seconds; credentials end by the clock of whoever issued them.
    assert before + timedelta(minutes=60, seconds=-2) <= link.expires_at <= after + timedelta(minutes=60)
