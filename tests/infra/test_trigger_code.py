"""The trigger's zip: all of ours that it imports, and the same bytes from any machine."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from baton_infra.constructs import trigger_code

IMPORT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import trigger.function
print(json.dumps({name: getattr(module, "__file__", None) for name, module in sys.modules.items()}))
"""


@pytest.fixture
def unstaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of a checkout in which nothing was staged."""
    monkeypatch.setattr(trigger_code, "STAGED", tmp_path / "never")
    return trigger_code.directory()


def _files(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_sources_hold_all_of_ours_that_the_trigger_imports(unstaged: Path) -> None:
    ran = subprocess.run(  # noqa: S603 - arguments of our own
        [sys.executable, "-B", "-c", IMPORT, str(unstaged)], check=True, capture_output=True, text=True
    )
    loaded: Mapping[str, Any] = json.loads(ran.stdout)
    root = str(Path(trigger_code.__file__).parents[4])

    assert Path(loaded["trigger.function"]).is_relative_to(unstaged)
    ours = {name for name, file in loaded.items() if file and file.startswith(root) and "site-packages" not in file}
    assert ours == set()  # from the checkout, where Lambda has none


def test_the_sources_hold_nothing_that_python_left_there(unstaged: Path) -> None:
    files = _files(unstaged)

    assert {name.partition("/")[0] for name in files} == {"baton", "trigger", "baton_jobs"}
    assert [name for name in files if name.endswith(".pyc")] == []


def test_what_was_staged_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigger_code, "STAGED", tmp_path)
    before = trigger_code.is_staged(), trigger_code.directory()
    (tmp_path / "aiobotocore").mkdir()

    assert before[0] is False
    assert before[1] != tmp_path
    assert (trigger_code.is_staged(), trigger_code.directory()) == (True, tmp_path)


def _installed(folder: Path, python: str) -> Path:
    """Install libraries as uv does on a machine with this Python."""
    files = {
        "bin/jp.py": f"#!{python}\nimport jmespath\n",
        "jmespath/__init__.py": "",
        "jmespath-1.1.0.dist-info/METADATA": "Name: jmespath\n",
        "jmespath-1.1.0.dist-info/RECORD": f"bin/jp.py,sha256={hash(python)},1\n",
        "botocore/data/endpoints.json": "{}",
        "botocore/data/sqs/service-2.json": "{}",
        "botocore/data/ec2/service-2.json": "{}",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_two_machines_stage_the_same_and_only_what_is_read(tmp_path: Path) -> None:
    here, there = (
        _installed(tmp_path / name, python) for name, python in (("a", "/usr/bin/python3"), ("b", "/opt/bin/python3"))
    )
    assert _files(here) != _files(there)

    for folder in (here, there):
        trigger_code.prune(folder)

    assert _files(here) == _files(there)
    assert set(_files(here)) == {
        "jmespath/__init__.py",
        "jmespath-1.1.0.dist-info/METADATA",
        "botocore/data/endpoints.json",
        "botocore/data/sqs/service-2.json",
    }
