"""What the environment may say of the switch."""

import pytest
from pydantic import ValidationError

from baton.model.control import SwitchBackend
from baton.settings import SwitchSettings

ENDPOINTS = ",".join(f"region-{n}=https://{n}.example.com/v1" for n in range(5))
CONTROLS = "us-east-1=arn:aws:r:::e, us-west-2=arn:aws:r:::w"


def _given(monkeypatch: pytest.MonkeyPatch, **values: str) -> SwitchSettings:
    for name, value in values.items():
        monkeypatch.setenv(f"BATON_SWITCH_{name.upper()}", value)
    return SwitchSettings()


def test_without_a_word_the_ledger_alone_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _given(monkeypatch).kind is SwitchBackend.LEDGER


def test_pairs_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _given(monkeypatch, kind="arc", endpoints=ENDPOINTS, controls=CONTROLS)

    assert settings.endpoints["region-3"] == "https://3.example.com/v1"
    assert settings.controls == {"us-east-1": "arn:aws:r:::e", "us-west-2": "arn:aws:r:::w"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"kind": "dns"}, "'arc', 'region-switch' or 'ledger'"),
        ({"kind": "region-switch"}, "must be the ARN of a Region switch plan; it is ''"),
        ({"endpoints": "us-east-1=https://e"}, "must name the cluster's five endpoints; it names us-east-1"),
        ({"endpoints": ""}, "it names none"),
        ({"endpoints": ENDPOINTS.replace("https://2", "2")}, "not a URL: 2.example.com/v1"),
        ({"endpoints": "us-east-1"}, "`us-east-1` is not `region=value`"),
        ({"endpoints": f"{ENDPOINTS},region-1=https://x"}, "names region-1 twice"),
        ({"controls": "us-east-1=e,us-west-2=w"}, "not an ARN: e, w"),
        ({"controls": "us-east-1=arn:x"}, "must name the routing control of each Region"),
        ({"controls": "us-east-1=arn:x,us-west-2=arn:x"}, "must name the routing control of each Region"),
    ],
)
def test_wrong_values_are_refused_in_words(monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        _given(monkeypatch, **{"kind": "arc", "endpoints": ENDPOINTS, "controls": CONTROLS, **changes})
