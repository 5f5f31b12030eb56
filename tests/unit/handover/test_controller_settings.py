"""The controller's settings: bad ones are refused with a reason, and scaling divides durations only."""

import pytest
from pydantic import ValidationError

from handover.settings import ControllerSettings, Mode


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"trip_bad": 5, "trip_of": 4}, "trip_bad is at most trip_of"),
        ({"trip_of": 21}, "trip_of is at most clear_good"),
        ({"probe_deadline_seconds": 16}, "canaries must not overlap"),
        ({"maintenance": "Sunday"}, "no window: 'Sunday'"),
        ({"failback_window": "Sun 02:00-02:00"}, "no window: 'Sun 02:00-02:00'"),
        ({"beat_seconds": 0}, "greater than 0"),
        ({"time_scale": 0}, "greater than 0"),
        ({"call_errors_percent_max": 101}, "less than or equal to 100"),
        ({"mode": "sometimes"}, "'automatic' or 'recommend'"),
    ],
)
def test_bad_values_are_refused_in_words(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ControllerSettings.model_validate(values)


def test_they_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_CONTROLLER_MODE", "recommend")
    monkeypatch.setenv("BATON_CONTROLLER_HOLD_SECONDS", "7.5")

    settings = ControllerSettings()

    assert (settings.mode, settings.hold_seconds) == (Mode.RECOMMEND, 7.5)


def test_scaling_divides_every_duration_and_nothing_else() -> None:
    plain = ControllerSettings(time_scale=50, maintenance="Sun 02:00-04:00")

    scaled = plain.scaled()

    durations = {name for name in ControllerSettings.model_fields if "seconds" in name}
    for name in ControllerSettings.model_fields:
        before, after = getattr(plain, name), getattr(scaled, name)
        if name in durations:
            assert after == before / 50, name
        elif name != "time_scale":
            assert after == before, name
    assert scaled.time_scale == 1
    assert scaled.scaled() == scaled


def test_the_defaults_hold_the_promises_that_their_comments_make() -> None:
    settings = ControllerSettings()

    assert settings.probe_deadline_seconds < settings.probe_seconds
    assert settings.call_seconds < settings.beat_seconds
    slowest = max(settings.probe_seconds, settings.vitals_seconds)
    assert settings.fresh_seconds >= 3 * slowest
    # Two beats missed are silence, and a driver is gone later than a controller knows itself to be cut off.
    assert settings.silence_seconds == 2 * settings.beat_seconds
    assert settings.written_seconds < settings.driver_seconds
