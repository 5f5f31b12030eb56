"""Runs the demo: `python -m baton_local.demo.run`. Each step is a command that you could type yourself.

Both Regions start in a directory of their own. A file with bad records is submitted, its mail arrives, and a plain HTTP
client follows the mail's links: what they return is compared, record by record, with `baton_local.sales.expected`. Then
a Region is cut off in the middle of a larger file (`demo.handover`). At the end everything is stopped and removed,
also after an error.
"""

import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NoReturn

from baton_local.demo import handover
from baton_local.demo.handover import Figures
from baton_local.demo.stage import DemoFailed, Stage, download, link_to, say, step
from baton_local.on_processes import lifecycle
from baton_local.sales.expected import Comparison, Mismatch, check

_RECORDS: Final = "10000"
_BAD_PERCENT: Final = "2"
_SEED: Final = "7"
_CHUNK_BYTES: Final = "32768"
"""Small chunks make the larger file last long enough to be seen half done. 16 MiB is what they have by default."""
_WATCH_SECONDS_MAX: Final = "300"


def run(stage: Stage) -> tuple[Comparison, Figures]:
    """Take the steps; return what was checked. Raises `DemoFailed`, `Mismatch`, or whatever else goes wrong."""
    step("Two Regions come up on this machine")
    stage.baton("up", BATON_SPLITTER_CHUNK_BYTES=_CHUNK_BYTES)
    step("A sales file is made, one record in fifty bad, and its reference data")
    stage.baton("sample", "--records", _RECORDS, "--bad-percent", _BAD_PERCENT, "--seed", _SEED)
    stage.baton("reference", "load", "financial", "financial.csv", "--key", "uuid")
    step("The file goes to the active Region and is followed to its end")
    stage.baton("submit", "sales.csv", "--job", "sales", "--watch", "--timeout", _WATCH_SECONDS_MAX)
    batch = stage.ask("show", "last")
    step("Every rejected record has its reason")
    stage.baton("rejects", "last", "--limit", "8")
    step("Its recipients have mail")
    stage.baton("inbox")
    step("The links in the mail are followed by a plain HTTP client")
    text = "".join(mail["text"] for mail in stage.ask("inbox"))
    download(link_to(batch["result_key"], text), stage.file("result.csv"))
    download(link_to(batch["rejects_key"], text), stage.file("rejects.csv"))
    step("What came is checked against a second implementation of the rules")
    checked = check(*(stage.file(f"{name}.csv") for name in ("sales", "financial", "result", "rejects")))
    agree(batch, checked)
    return checked, handover.run(stage, seed=_SEED, keys=_RECORDS)


def agree(batch: Any, checked: Comparison) -> None:
    """Hold what the ledger says against what the files say. Raises `DemoFailed`."""
    told = Comparison(batch["records_in"], batch["records_out"], batch["rejects"])
    if told != checked:
        raise DemoFailed(f"the ledger says {told}, the files say {checked}")
    say(f"  {checked.records_in:,} in = {checked.records_out:,} out + {checked.rejects:,} rejected, each as expected")


def main() -> int:
    """Run the demo; return the exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    stage = Stage(Path(tempfile.mkdtemp(prefix="baton-demo-")))
    try:
        checked, figures = run(stage)
    except KeyboardInterrupt:
        return _failed(stage, "interrupted")
    except (DemoFailed, Mismatch) as error:
        return _failed(stage, str(error))
    except Exception as error:  # noqa: BLE001 - whatever it was, the world is stopped and the last line is printed
        return _failed(stage, f"{type(error).__name__}: {error}")
    _stop(stage)
    shutil.rmtree(stage.home)
    say(
        f"\ndemo: ok — {checked.records_in:,} records in, {checked.records_out:,} out, {checked.rejects:,} rejected, "
        f"checked one by one; {figures}; {time.monotonic() - started:.0f} s in all"
    )
    return 0


def _failed(stage: Stage, why: str) -> int:
    if (stage.world / "logs").is_dir():
        shutil.copytree(stage.world / "logs", stage.logs, dirs_exist_ok=True)
        say(f"\nThe logs are kept in {stage.logs}")
    _stop(stage)
    say(f"demo: FAILED — {' '.join(why.split())}")
    return 1


def _stop(stage: Stage) -> None:
    # From here on nobody may interrupt: a world that is half stopped is what the demo promises not to leave.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    step("Everything is stopped and removed")
    lifecycle.down(stage.world)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
