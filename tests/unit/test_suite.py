"""What the suite itself relies on."""

import pytest


@pytest.mark.xdist_group("kept-together")
def test_tests_of_one_group_stay_on_one_worker(request: pytest.FixtureRequest) -> None:
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process: nothing to keep together")
    # Were it not so, every worker would start a world of its own, and nothing but the clock would tell.
    assert request.node.nodeid.endswith("@kept-together")
