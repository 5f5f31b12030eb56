"""Addresses are read once, when a job is loaded: what a mail service would refuse is refused there."""

import pytest
from pydantic import ValidationError

from baton.address import Address
from baton.job import Job
from notifier.settings import NotifierSettings


@pytest.mark.parametrize(
    ("text", "name", "spec"),
    [
        ("ann@example.com", "", "ann@example.com"),
        ("  ann@example.com ", "", "ann@example.com"),
        ("<ann@example.com>", "", "ann@example.com"),
        ("Ann@EXAMPLE.com", "", "Ann@example.com"),
        ("Jörg Müller <joerg@example.com>", "Jörg Müller", "joerg@example.com"),
        ("Doe, Jane <jane@example.com>", "Doe, Jane", "jane@example.com"),
        ('"Doe, Jane" <jane@example.com>', "Doe, Jane", "jane@example.com"),
        ('"jane@home" <jane@example.com>', "jane@home", "jane@example.com"),
        (r'"Jane \"J\" Doe" <jane@example.com>', 'Jane "J" Doe', "jane@example.com"),
        ("Smith & Co. (Sales) <a.b+c@sub.example.com>", "Smith & Co. (Sales)", "a.b+c@sub.example.com"),
        ("info@bücher.example", "", "info@xn--bcher-kva.example"),
        ("info@BÜCHER.example", "", "info@xn--bcher-kva.example"),
        ("info@xn--bcher-kva.example", "", "info@xn--bcher-kva.example"),
    ],
)
def test_an_address_is_taken_as_people_write_it(text: str, name: str, spec: str) -> None:
    address = Address.parse(text)

    assert (address.name, address.spec) == (name, spec)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "not-an-address",
        "@example.com",
        "ann@",
        "ann@localhost",
        "ann@192.0.2.1",
        "ann@[192.0.2.1]",
        "ann@.example.com",
        "ann@example..com",
        "ann@-example.com",
        "ann@exa_mple.com",
        f"ann@{'x' * 64}.com",
        f"{'x' * 65}@example.com",
        "jörg@example.com",
        "ann..lee@example.com",
        '"ann lee"@example.com',
        "ann@example.com\n",
        "ann@example.com\r\nBcc: bob@example.com",
        "ann\x00@example.com",
        "A\u202enn <ann@example.com>",
        "ann@example.com, bob@example.com",
        "ann@example.com; bob@example.com",
        "ann@example.com bob@example.com",
        "Ann <ann@example.com>, Bob <bob@example.com>",
        "ann@example.com, Bob <bob@example.com>",
        "ann@example.com <bob@example.com>",
        "Ann <ann@example.com",
        "ann@example.com>",
        "Ann <<ann@example.com>>",
        "Ann <>",
        "=?utf-8?q?J=C3=B6rg?= <joerg@example.com>",
        f"{'x' * 101} <ann@example.com>",
    ],
)
def test_what_is_no_address_fails_the_job_when_it_is_loaded(text: str) -> None:
    with pytest.raises(ValidationError, match=r"address|name"):
        Job(name="sales", record=None, recipients=("ann@example.com", text))


def test_a_job_has_at_most_as_many_recipients_as_one_mail() -> None:
    many = tuple(f"user{number}@example.com" for number in range(51))

    assert len(Job(name="sales", record=None, recipients=many[:50]).addresses) == 50
    with pytest.raises(ValidationError, match="at most 50"):
        Job(name="sales", record=None, recipients=many)


def test_the_notifiers_own_addresses_may_have_names_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_NOTIFIER_SENDER", "Bätön <baton@bücher.example>")
    monkeypatch.setenv("BATON_NOTIFIER_OPERATORS", '"Doe, Jane" <jane@example.com>, bob@example.com')

    settings = NotifierSettings()

    assert settings.sender == Address("Bätön", "baton", "xn--bcher-kva.example")
    assert settings.operators == (Address("Doe, Jane", "jane", "example.com"), Address("", "bob", "example.com"))


@pytest.mark.parametrize("operators", ["", "ann@example.com,", "Doe, Jane <jane@example.com>", "a@b.example," * 51])
def test_operators_that_cannot_be_mailed_stop_the_notifier_at_its_start(
    operators: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_NOTIFIER_OPERATORS", operators)

    with pytest.raises(ValidationError):
        NotifierSettings()
