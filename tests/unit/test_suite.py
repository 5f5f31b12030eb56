"""What the suite itself relies on."""

from typing import cast

import pytest


@pytest.mark.xdist_group("kept-together")
def test_tests_of_one_group_stay_on_one_worker(request: pytest.FixtureRequest) -> None:
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process: nothing to keep together")
    # Were it not so, every worker would start a world of its own, and nothing but the clock would tell.
    node = cast("pytest.Item", request.node)  # pyright: ignore[reportUnknownMemberType] - pytest 9.1 gives it no type
    assert node.nodeid.endswith("@kept-together")
