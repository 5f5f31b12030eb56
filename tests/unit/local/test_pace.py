"""The pace of a local world: what it divides is what the splitter would wait otherwise."""

from baton_local.pace import pace
from splitter.settings import SplitterSettings


def test_at_the_pace_of_aws_the_splitter_waits_as_it_does_by_default() -> None:
    told = {name: float(value) for name, value in pace(1.0).items() if name.startswith("BATON_SPLITTER_")}
    own = SplitterSettings().model_dump()

    assert told == {name: own[name.removeprefix("BATON_SPLITTER_").lower()] for name in told}
