"""Reports the results of a run of rounds: for people in Markdown, for machines in JSON. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from baton_proof.chaos.draws import Draw
from baton_proof.chaos.verdicts import Expected

HEADER: Final = (
    "| round | active | what was done | must follow | what followed | decided | taken over | all through | batches, in "
    "flight | load | the controller named |"
)
_STATE_LOST: Final = (
    "A round `state lost` waits until replication has caught up before the Region's emulator is started anew. What had "
    "not been replicated when a Region's disks are lost is lost on AWS, too: nothing here claims otherwise."
)


@dataclass(slots=True)
class Round:
    """One round and its result. Times are seconds since the first fault began."""

    draw: Draw
    expected: Expected
    batches: int = 0
    in_flight: int = 0
    """When the first fault began."""
    unanswered: int = 0
    """Attempts to send a file that no Region answered: each was made again under another name."""
    load: float = 0.0
    """Of the machine, on average over the last five minutes: what else runs there makes canaries late."""
    planned_switches: int = 0
    """Before it, by an operator."""
    healed_at: datetime | None = None
    """When the last fault was over."""
    failovers: int = 0
    decided: float | None = None
    owned: float | None = None
    """The last open batch belonged to the other Region."""
    through: float | None = None
    """The last batch was COMPLETED."""
    reasons: str = ""
    """As the controller put them on record when it moved the epoch."""
    named: Sequence[str] = ()
    lost: list[str] = field(default_factory=list[str])
    doubled: list[str] = field(default_factory=list[str])
    copies: list[str] = field(default_factory=list[str])
    """Second mails under the same Message-ID: the declared window."""
    differing: list[str] = field(default_factory=list[str])
    disagreements: list[str] = field(default_factory=list[str])
    broke: str = ""
    """Why the round could not be played to its end."""
    timeline: list[str] = field(default_factory=list[str])

    @property
    def false_failovers(self) -> int:
        """Failovers where none may be."""
        return self.failovers if self.expected is Expected.NONE else 0

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.differing or self.disagreements or self.broke)

    @property
    def outcome(self) -> str:
        if not self.is_good:
            names = ("lost", "doubled", "differing", "disagreements", "broke")
            return "; ".join(f"**{name}**: {value}" for name in names if (value := getattr(self, name)))
        return "failover" if self.failovers else "none"


@dataclass(frozen=True, slots=True)
class Run:
    """All rounds of one command."""

    seed: int
    rounds: Sequence[Round]
    left_out: Sequence[str]
    """Faults that this machine does not allow, each with the reason."""
    time_scale: float
    machine: str

    @property
    def is_good(self) -> bool:
        return all(each.is_good for each in self.rounds)


def markdown(run: Run) -> str:
    """Return the report for people."""
    rounds = run.rounds
    lines = [
        f"# Chaos on containers: seed {run.seed}",
        *_summary(run),
        *(f"\nLeft out on this machine: {each}" for each in run.left_out),
        "",
        HEADER,
        "|" + "---|" * HEADER.count(" | ") + "---|",
        *map(_row, rounds),
        "",
        *_times(rounds),
        "",
        "## Round by round",
        *(line for each in rounds for line in _story(run.seed, each)),
    ]
    return "\n".join(lines) + "\n"


def _summary(run: Run) -> list[str]:
    rounds = run.rounds
    figures = (
        f"{len(rounds)} rounds, {sum(each.batches for each in rounds)} batches, "
        f"{sum(each.failovers for each in rounds)} failovers by the controllers, "
        f"{sum(each.planned_switches for each in rounds)} planned switches between rounds"
    )
    beside = (
        f"Second mails under the same Message-ID (the declared window): {sum(len(each.copies) for each in rounds)}. "
        f"Attempts to send that no Region answered, and that were repeated: {sum(each.unanswered for each in rounds)}."
    )
    times = (
        f"Every wait of the controllers is the default divided by {run.time_scale:g}; {run.machine}. Times are seconds "
        "since the first fault of the round began."
    )
    return ["", f"{figures}. **{_counted(rounds)}.**", "", beside, "", times, "", _STATE_LOST]


def document(run: Run) -> dict[str, Any]:
    """Return the report for machines."""
    return {
        "seed": run.seed,
        "is_good": run.is_good,
        "time_scale": run.time_scale,
        "machine": run.machine,
        "left_out": list(run.left_out),
        "rounds": [asdict(each) | {"is_good": each.is_good} for each in run.rounds],
    }


def _counted(rounds: Sequence[Round]) -> str:
    names = {"lost": "lost", "doubled": "doubled", "differing": "other bytes", "disagreements": "unexplained"}
    counts = [f"{text} {sum(len(getattr(each, name)) for each in rounds)}" for name, text in names.items()]
    counts.append(f"false failovers {sum(each.false_failovers for each in rounds)}")
    broken = sum(bool(each.broke) for each in rounds)
    return ", ".join([*counts, *([f"not played to the end {broken}"] if broken else [])])


def _row(each: Round) -> str:
    done = "; ".join(str(trouble) for trouble in each.draw.troubles)
    cells = (
        str(each.draw.number), each.draw.active, done, str(each.expected), each.outcome, _seconds(each.decided),
        _seconds(each.owned), _seconds(each.through), f"{each.batches}, {each.in_flight}", f"{each.load:.0f}",
        ", ".join(each.named) or "-",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f}"


def _times(rounds: Sequence[Round]) -> list[str]:
    lines = ["| rounds with a failover | p50 | max |", "|---|---:|---:|"]
    moved = [each for each in rounds if each.failovers]
    for text, name in (("decided", "decided"), ("last open batch taken over", "owned"), ("all through", "through")):
        found = [seconds for each in moved if (seconds := getattr(each, name)) is not None]
        if found:
            lines.append(f"| {text} | {statistics.median(found):.1f} s | {max(found):.1f} s |")
    return lines


def _story(seed: int, each: Round) -> list[str]:
    again = f"`python -m baton_proof.chaos.rounds --seed {seed} --only {each.draw.number}`"
    lines = ["", f"### Round {each.draw.number}", "", f"Again: {again}", "", "```"]
    return [*lines, *each.timeline, "```"]
