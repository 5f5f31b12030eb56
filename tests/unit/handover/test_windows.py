"""Weekly windows in UTC."""

from datetime import UTC, datetime

import pytest

from handover.windows import Window, parse_all


def _at(day: int, hour: int, minute: int = 0) -> datetime:
    # The fifth of July 2026 is a Sunday.
    return datetime(2026, 7, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("Sun 02:00-04:00", [_at(5, 2), _at(5, 3, 59)], [_at(5, 1, 59), _at(5, 4), _at(6, 3), _at(4, 3)]),
        ("daily 22:00-22:30", [_at(1, 22), _at(2, 22, 29)], [_at(1, 21, 59), _at(2, 22, 30)]),
        ("Fri 22:00-01:00", [_at(3, 22), _at(3, 23, 59), _at(4, 0, 59)], [_at(3, 0, 30), _at(4, 1), _at(4, 22)]),
        ("Sun 23:00-01:00", [_at(5, 23), _at(6, 0)], [_at(5, 0), _at(6, 23)]),
        ("daily 23:00-01:00", [_at(5, 23), _at(6, 0), _at(6, 23)], [_at(5, 1), _at(5, 22, 59)]),
        ("Mon 20:00-24:00", [_at(6, 20), _at(6, 23, 59)], [_at(7, 0), _at(6, 19, 59)]),
    ],
)
def test_a_window_holds_from_its_start_until_its_end(
    text: str, inside: list[datetime], outside: list[datetime]
) -> None:
    window = Window.parse(text)

    assert [at for at in inside if not window.holds(at)] == []
    assert [at for at in outside if window.holds(at)] == []


@pytest.mark.parametrize(
    "text",
    ["", "Sun", "Son 02:00-04:00", "Sun 2:00-4:00", "Sun 02:00-02:00", "Sun 25:00-26:00", "Sun 02:75-04:00"],
)
def test_what_is_no_window_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="no window") as caught:
        Window.parse(text)
    assert repr(text) in str(caught.value)


def test_windows_are_separated_by_commas() -> None:
    assert [window.text for window in parse_all(" Sun 02:00-04:00, daily 22:00-22:30 ,")] == [
        "Sun 02:00-04:00",
        "daily 22:00-22:30",
    ]
    assert parse_all("") == ()
