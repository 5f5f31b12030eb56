"""What the suite itself relies on."""

import subprocess
from pathlib import Path
from typing import Final, cast

import pytest

import clients

REPOSITORY: Final = Path(__file__).parents[2]
_INSTALL: Final = 'touch "$here/$4" && chmod +x "$here/$4"'


@pytest.mark.xdist_group("kept-together")
def test_tests_of_one_group_stay_on_one_worker(request: pytest.FixtureRequest) -> None:
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process: nothing to keep together")
    # Were it not so, every worker would start a world of its own, and nothing but the clock would tell.
    node = cast("pytest.Item", request.node)  # pyright: ignore[reportUnknownMemberType] - pytest 9.1 gives it no type
    assert node.nodeid.endswith("@kept-together")


def test_a_world_of_a_folder_goes_when_its_tests_are_through() -> None:
    conftests = (REPOSITORY / "tests").rglob("conftest.py")
    of_a_folder = [path for path in conftests if 'scope="package"' in path.read_text()]

    assert len(of_a_folder) >= 2
    # To pytest a folder without it is no package, and its fixtures live as long as the session.
    assert [path for path in of_a_folder if not (path.parent / "__init__.py").exists()] == []


def test_a_client_that_is_due_is_not_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clients.DUE, "rclone no-such-client")
    with pytest.raises(pytest.fail.Exception, match="`no-such-client` is not installed, and is due here"):
        clients.program("no-such-client")

    monkeypatch.delenv(clients.DUE)
    with pytest.raises(pytest.skip.Exception, match="`no-such-client` is not installed on this machine"):
        clients.program("no-such-client")


@pytest.mark.parametrize(
    ("apt_get", "printed", "told"),
    [
        (_INSTALL, "rclone\ncurl\n", ""),
        ("exit 100", "", "LEFT OUT: the tests of rclone"),
        (
            '[ "$4" = rclone ] && exit 100; touch "$here/$4" && chmod +x "$here/$4"',
            "curl\n",
            "LEFT OUT: the tests of rclone",
        ),
    ],
)
def test_ci_installs_the_clients_that_no_python_index_has_and_tells_what_it_leaves_out(
    tmp_path: Path, apt_get: str, printed: str, told: str
) -> None:
    for name in ("bash", "env", "touch", "chmod"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    program = tmp_path / "apt-get"
    program.write_text(f'#!/usr/bin/env bash\nhere={tmp_path}\n[ "$2" = install ] || exit 0\n{apt_get}\n')
    program.chmod(0o755)

    done = subprocess.run(  # noqa: S603 - a script of this repository
        [REPOSITORY / ".ci/clients"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )

    assert done.stdout == printed
    assert told in done.stderr
    assert ("LEFT OUT" in done.stderr) == bool(told)


def test_ci_tells_the_tests_which_clients_are_due() -> None:
    text = (REPOSITORY / ".ci/run").read_text()

    assert f"{clients.DUE}=$(.ci/clients" in text
    assert f"export {clients.DUE}" in text
