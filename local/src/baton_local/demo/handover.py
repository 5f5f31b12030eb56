"""Second part of the demo: the active Region is cut off in the middle of a file, and fails over automatically.

The same file is processed undisturbed first: its result in the other Region must have the same bytes. The timeline is
what the controllers recorded, each line with the seconds since the cut.
"""

import json
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from baton_local.demo.stage import DemoFailed, Stage, download, link_to, say, step
from baton_local.sales.expected import check

_RECORDS: Final = "100000"
_DONE_SHARE_MAX: Final = 0.6
"""A file of which more is done might be through before the cut has been typed."""
_SECONDS_MAX: Final = 90
"""For anything that is waited for. A handover takes about 15 s, and then the rest of the file."""
_POLL_SECONDS: Final = 1.0
"""Each look is a command, which costs a second of CPU: the world should have the rest."""
_POLL_QUICKLY_SECONDS: Final = 0.1
_WIDTH: Final = 110
_MAILS: Final = "1000"


@dataclass(frozen=True, slots=True)
class Figures:
    """What the handover took, in seconds since the cut, and how long the switch home paused admission."""

    decided: float
    owned: float
    """The batch belongs to the other Region."""
    going_on: float
    """It took its first step there."""
    mailed: float
    pause: float

    def __str__(self) -> str:
        return (
            f"cut → decided {self.decided:.1f} s → owned {self.owned:.1f} s → continuing {self.going_on:.1f} s → mail "
            f"{self.mailed:.1f} s; failback paused {self.pause:.1f} s"
        )


def run(stage: Stage, *, seed: str, keys: str) -> Figures:
    """Take the steps, in a world that holds reference data of `keys` rows. Raises what `demo.run` raises."""
    home, away = _controllers_ready(stage)
    step("A larger file is processed undisturbed: these bytes must come out")
    sample = ("sample", "-o", "large.csv", "--reference-out", "keys.csv", "--records", _RECORDS, "--seed", seed)
    stage.baton(*sample, "--keys", keys)
    stage.baton("submit", "large.csv", "--job", "sales", "--name", "in-peace.csv", "--watch")
    stage.baton("fetch", "last", "-o", "in-peace.csv")
    step(f"The same file again: {home} is cut off in the middle of it")
    cut_at, batch = _handed_over(stage, home)
    step(f"Its recipients have one mail, from {away}")
    mail = _only_mail(stage, batch["batch_id"])
    stage.baton("inbox")
    step(f"The link leads to {away} now, and to the same bytes")
    _compare(stage, batch, mail)
    step(f"{home} comes back, and follows")
    stage.baton("chaos", "heal", home)
    _until(lambda: _is_ready(stage, home), f"{home} follows and is ready")
    back_at = time.time()
    step("The switch home is a planned one: drained first, and rolled back if that takes too long")
    stage.baton("failback", "--yes", "--reason", "the demo is over")
    _only_mail(stage, batch["batch_id"])
    say("  and there is still one mail")
    if found := without_cause(stage.ask("history", "-n", "1000"), cut_at, back_at):
        raise DemoFailed(f"a Region was suspected although nothing was broken: {'; '.join(found)}")
    say("  and no Region was suspected but while it was cut off")
    steps = [each for each in batch["history"] if each["by"] == away]
    return Figures(
        decided=_first(stage, "committed", away) - cut_at,
        owned=_at(steps[0]) - cut_at,
        going_on=_at(steps[1]) - cut_at,
        mailed=datetime.fromisoformat(mail["received_at"]).timestamp() - cut_at,
        pause=_first(stage, "committed", home) - _first(stage, "started", home),
    )


def without_cause(history: Iterable[Any], cut_at: float, back_at: float) -> list[str]:
    """Return every suspicion of a history that is not of the time of the cut: load is no illness."""
    return [
        f"{each['at']} by {each['region']}: {each['summary']}"
        for each in history
        if each["kind"] == "suspected" and not cut_at <= datetime.fromisoformat(each["at"]).timestamp() <= back_at
    ]


def _controllers_ready(stage: Stage) -> tuple[str, str]:
    """Wait until either Region could take over from the other; return the active one and the other one."""
    step("Each Region's controller sends canaries through its Region, and finds it ready")
    status = stage.ask("status")
    home = status["active_region"]
    away = next(each["region"] for each in status["regions"] if not each["active"])
    _until(lambda: _is_ready(stage, home) and _is_ready(stage, away), "both Regions are ready")
    stage.baton("status")
    return home, away


def _is_ready(stage: Stage, region: str) -> bool:
    view = next(each for each in stage.ask("status")["controllers"] if each["region"] == region)
    return bool(view["ready"] == "HEALTHY" and view["follows"] and not view["silent"])


def _handed_over(stage: Stage, home: str) -> tuple[float, Any]:
    """Cut the Region while it works on a batch; show the outcome. Return the time of the cut, and the batch."""
    with stage.listening("history", "--follow", "--until-outcome", "--json") as lines:
        stage.baton("submit", "large.csv", "--job", "sales", "--name", "handed-over.csv")
        batch_id = _until(lambda: _half_done(stage), "the file is half done", every_seconds=_POLL_QUICKLY_SECONDS)
        stage.baton("chaos", "cut", home)
        cut_at = time.time()
        done = threading.Event()
        watch = threading.Thread(target=_tell, args=(lines, cut_at, done), daemon=True)
        watch.start()
        if not done.wait(_SECONDS_MAX):
            raise DemoFailed(f"no handover within {_SECONDS_MAX} s")
    batch = _until(lambda: _completed(stage, batch_id), "the batch is completed")
    if batch["owner_region"] == home:
        raise DemoFailed("the file was through before its Region was cut off")
    say(f"  and the batch: {batch['records_in']:,} records in, {batch['records_out']:,} out, {batch['state']}")
    return cut_at, batch


def _tell(lines: Iterator[str], cut_at: float, done: threading.Event) -> None:
    """Print decisions as they come."""
    for line in lines:
        decision = json.loads(line)
        head = f"  {_at(decision) - cut_at:+5.1f} s  {decision['region']}  {decision['kind']}: "
        say(textwrap.fill(decision["summary"], _WIDTH, initial_indent=head, subsequent_indent=" " * 12))
    done.set()


def _half_done(stage: Stage) -> str | None:
    batch = stage.ask("show", "last")
    progress = batch["progress"] or {"chunks": 1, "chunks_done": 0}
    share = progress["chunks_done"] / progress["chunks"]
    if batch["state"] != "SPLIT" or not batch["key"].endswith("/handed-over.csv") or not share:
        return None
    if share > _DONE_SHARE_MAX:
        raise DemoFailed(f"{share:.0%} of the file was done before anybody could cut its Region off")
    say(f"  {progress['chunks_done']} of {progress['chunks']} chunks are done")
    return str(batch["batch_id"])


def _completed(stage: Stage, batch_id: str) -> Any:
    batch = stage.ask("show", batch_id)
    return batch if batch["state"] == "COMPLETED" else None


def _only_mail(stage: Stage, batch_id: str) -> Any:
    mails = [mail for mail in stage.ask("inbox", _MAILS) if batch_id in mail["text"]]
    if len(mails) != 1:
        raise DemoFailed(f"there are {len(mails)} mails about batch {batch_id}")
    return mails[0]


def _compare(stage: Stage, batch: Any, mail: Any) -> None:
    result, rejects, peace = (stage.file(f"{name}.csv") for name in ("handed-over", "not-taken", "in-peace"))
    download(link_to(batch["result_key"], mail["text"]), result)
    download(link_to(batch["rejects_key"], mail["text"]), rejects)
    if result.read_bytes() != peace.read_bytes():
        raise DemoFailed("the result differs from that of the same file undisturbed")
    say("  not a byte differs from the undisturbed result")
    checked = check(stage.file("large.csv"), stage.file("keys.csv"), result, rejects)
    say(f"  {checked.records_in:,} in = {checked.records_out:,} out + {checked.rejects:,} rejected, each as expected")


def _first(stage: Stage, kind: str, region: str) -> float:
    """Return when the controller of that Region first decided that."""
    decisions = reversed(stage.ask("history", "-n", "200"))
    found = next((each for each in decisions if (each["kind"], each["region"]) == (kind, region)), None)
    if found is None:
        raise DemoFailed(f"the history knows of nothing {kind} by {region}")
    return _at(found)


def _at(entry: Any) -> float:
    return datetime.fromisoformat(entry["at"]).timestamp()


def _until[T](look: Callable[[], T | None], what: str, *, every_seconds: float = _POLL_SECONDS) -> T:
    """Return the first true answer of `look`. Raises `DemoFailed` if none comes in time."""
    deadline = time.monotonic() + _SECONDS_MAX
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise DemoFailed(f"not within {_SECONDS_MAX} s: {what}")
        threading.Event().wait(every_seconds)
    return seen
