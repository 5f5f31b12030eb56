"""Answers about batches for people: drawn with rich, 80 columns wide. Foreign text is shown, never interpreted."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from baton.asked import asked_by
from baton.catalog import Catalog
from baton.job import Job
from baton.model.batch import Batch
from baton.model.paths import parse_input_key
from baton.model.states import BatchState
from baton.model.unreadable import UnreadableRow
from baton.ports import ReferenceVersion
from baton.rejects import not_all, of_empty_rows
from baton.shown import shown
from baton_cli.batches.advice import advise
from baton_cli.batches.files import Fetched, Submitted
from baton_cli.batches.queries import Detail, Overview, Rejects
from baton_cli.hints import baton, has_options

_STYLES: Final = {
    BatchState.COMPLETED: "green",
    BatchState.FAILED: "bold red",
    BatchState.CANCELLED: "yellow",
    BatchState.PAUSED: "yellow",
    BatchState.QUARANTINED: "bold red",
}
_BYTES_PER_STEP: Final = 1024
_UNREADABLE_SHOWN: Final = 5
_CELL_CHARACTERS_MAX: Final = 60
"""Of a name in a table, whose column may be a few characters wide; `baton show` has all of it."""


def plain(text: str, style: str = "") -> Text:
    """Return foreign text as it may be printed: no markup, and no character that a terminal would act on."""
    return Text(shown(text, most=None), style=style)


def _cell(name: str) -> Text:
    """Return a foreign name for a table of many rows: a key of 1,000 letters would fold over a whole screen."""
    return Text(shown(name, most=_CELL_CHARACTERS_MAX))


def told(*lines: str) -> Text:
    """Return sentences as lines that are never broken, so that paths and ids in them can be copied."""
    text = Text("\n").join(plain(line) for line in lines)
    text.no_wrap, text.overflow = True, "ignore"
    return text


def state(state: BatchState) -> Text:
    return Text(state.value, style=_STYLES.get(state, "cyan"))


def size(size_bytes: int) -> str:
    """Return a size as people write it: 1.5 MiB."""
    amount = float(size_bytes)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < _BYTES_PER_STEP:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= _BYTES_PER_STEP
    return f"{amount:.1f} TiB"


def span(length: timedelta) -> str:
    """Return a length of time as people say it: 4.2 s, 3 min, 5 h, 2 d."""
    seconds = max(0.0, length.total_seconds())
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    for unit_seconds, unit, until in ((60, "min", 120), (3_600, "h", 48), (86_400, "d", 10**9)):
        if seconds < unit_seconds * until:
            return f"{seconds / unit_seconds:.0f} {unit}"
    raise AssertionError("no batch is that old")


def moment(at: datetime) -> str:
    """Return a time as it is written in a sentence."""
    return f"{_utc(at)} UTC"


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def grid(rows: Iterable[tuple[str, RenderableType]]) -> Table:
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")
    for name, value in rows:
        lines.add_row(name, value)
    return lines


def with_next(rows: Iterable[tuple[str, RenderableType]], text: str) -> RenderableType:
    """Return the grid with what to do next. A command with options may be longer than a line, and is not broken."""
    if has_options():
        return Group(grid(rows), Text.assemble(("next  ", "dim"), told(text), no_wrap=True, overflow="ignore"))
    return grid([*rows, ("next", plain(text))])


def table_of(*names: str, numbers: Sequence[str] = (), whole_columns: Sequence[str] = ()) -> Table:
    """Return an empty table. What `whole_columns` hold is short, and never folded."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in names:
        # What people copy or compare is never cut; the rest folds.
        whole = column in whole_columns
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold", no_wrap=whole)
    return table


def status(status: Overview, *, now: datetime) -> RenderableType:
    regions = table_of("REGION", "ROLE", "ANSWERS")
    for region in status.regions:
        role = Text("active", style="bold green") if region.active else Text("standby", style="dim")
        answer = Text("yes", style="green") if region.problem is None else Text("no: ", style="red")
        regions.add_row(region.region, role, answer.append_text(plain(region.problem or "")))
    return Group(
        Text.assemble(("Environment ", "dim"), status.environment, ("   epoch ", "dim"), str(status.control.epoch)),
        Text(),
        regions,
        Text(),
        _open(status, now),
        *([Text(unreadable(status.unreadable), style="yellow")] if status.unreadable else []),
    )


def _open(status: Overview, now: datetime) -> Text:
    if status.oldest_open is None:
        return Text("No batch is open.")
    counts = ", ".join(f"{count:,} {name}" for name, count in sorted(status.open_by_state.items()))
    age = span(now - status.oldest_open.admitted_at)
    return Text(f"Open: {counts}. The oldest is {status.oldest_open.batch_id}, admitted {age} ago.")


def unreadable(rows: Sequence[UnreadableRow]) -> str:
    """Return in one sentence which batches have rows that cannot be read."""
    named = [f"{row.batch_id} ({shown(row.key or 'its file is not known')})" for row in rows[:_UNREADABLE_SHOWN]]
    more = f" and {len(rows) - _UNREADABLE_SHOWN} more" if len(rows) > _UNREADABLE_SHOWN else ""
    return f"Not readable by this version of Baton, so nothing is done with them: {', '.join(named)}{more}."


def batches(batches: Sequence[Batch], *, now: datetime) -> RenderableType:
    if not batches:
        return Text("No batch.")
    numbers = ("RECORDS", "REJECTS", "AGE")
    whole = ("BATCH", "STATE", *numbers)
    table = table_of("BATCH", "STATE", "JOB", "FILE", *numbers, numbers=numbers, whole_columns=whole)
    for batch in batches:
        table.add_row(
            batch.batch_id,
            state(batch.state),
            _cell(batch.job),
            _cell(_file_name(batch)),
            f"{batch.records_total or batch.counts.records_in:,}",
            _rejects_known(batch),
            span(now - batch.admitted_at),
        )
    return table


def _rejects_known(batch: Batch) -> str:
    counts = batch.counts
    is_unknown = batch.state is BatchState.FAILED and not batch.published and not counts.records_in
    return "-" if is_unknown else f"{counts.rejects:,}"


def _file_name(batch: Batch) -> str:
    parsed = parse_input_key(batch.source.key)
    return parsed.name if parsed else batch.source.key


def summary(batch: Batch, *, owner: str) -> RenderableType:
    """Return the end of a watched batch, or where it stands."""
    rows: list[tuple[str, RenderableType]] = [
        ("batch", batch.batch_id),
        ("state", state(batch.state)),
        ("file", plain(f"{_file_name(batch)} ({size(batch.source.size_bytes)}, job {batch.job})")),
    ]
    if batch.counts.records_in or batch.published:
        rows.append(("records", _books(batch)))
    rows.append(("took", f"{span(batch.updated_at - batch.admitted_at)} in {owner}"))
    if batch.failure:
        rows.append(("reason", plain(batch.failure.reason)))
    if batch.published:
        rows.append(("result", plain(batch.published.result_key)))
    return with_next(rows, advise(batch, owner=owner))


def _books(batch: Batch) -> str:
    counts = batch.counts
    if batch.state is BatchState.FAILED and not batch.published:
        return f"{counts.records_in:,} of {batch.records_total:,} were checked, {counts.rejects:,} rejected"
    return f"{counts.records_in:,} in = {counts.records_out:,} out + {counts.rejects:,} rejected"


def detail(detail: Detail) -> RenderableType:
    batch = detail.batch
    rows: list[tuple[str, RenderableType]] = [
        ("batch", batch.batch_id),
        ("state", state(batch.state)),
        ("job", plain(batch.job)),
        ("file", plain(f"{batch.source.key} ({size(batch.source.size_bytes)})")),
        ("version", plain(batch.source.version_id)),
        ("owner", f"{detail.owner}, epoch {batch.owner_epoch}, run {batch.run}"),
        ("records", f"{batch.records_total:,} in the file"),
    ]
    rows += _progress(detail)
    rows += _outcome(batch)
    history = table_of("WHEN (UTC)", "AFTER", "STATE", "WRITTEN BY")
    for step in batch.history:
        history.add_row(_utc(step.at), f"+{span(step.at - batch.admitted_at)}", state(step.state), step.by)
    return Group(with_next(rows, advise(batch, owner=detail.owner)), Text(), history)


def _progress(detail: Detail) -> list[tuple[str, RenderableType]]:
    if detail.problem:
        return [("progress", plain(detail.problem, "red"))]
    if detail.tally is None:
        return []
    done = f"{detail.tally.chunks_done:,} of {detail.tally.chunks:,} chunks"
    return [("progress", f"{done}, {detail.tally.counts.records_in:,} records")]


def _outcome(batch: Batch) -> list[tuple[str, RenderableType]]:
    rows: list[tuple[str, RenderableType]] = []
    if batch.counts.records_in or batch.published:
        rows.append(("counts", _books(batch)))
    if batch.failure:
        rows.append(("reason", Text(f"{batch.failure.code}: ", style="red").append_text(plain(batch.failure.reason))))
    if batch.published:
        keys = (batch.published.result_key, batch.published.rejects_key, batch.published.manifest_key)
        rows += [(name, plain(key)) for name, key in zip(("result", "rejects", "manifest"), keys, strict=True)]
    return rows


def rejects(rejects: Rejects, *, job: Job | None = None) -> RenderableType:
    """Return the table of rejects; what their rules require comes from the job, if it is known."""
    notes = [note for note in (of_empty_rows(rejects.rejects, job), not_all(rejects.batch, job)) if note]
    if not rejects.rejects:
        return told(_no_rejects(rejects))
    table = table_of("RECORD", "BYTE", "COLUMN", "RULE", "VALUE", numbers=("RECORD", "BYTE"))
    for reject in rejects.rejects:
        texts = (plain(text) for text in (reject.rule, reject.value))
        table.add_row(f"{reject.record_number:,}", f"{reject.byte_offset:,}", _cell(reject.column), *texts)
    reasons = sorted({(reject.column, reject.rule) for reject in rejects.rejects})
    asked = [
        f"{column or 'the record'}, {rule}: must be {words}"
        for column, rule in reasons
        if (words := asked_by(job, column, rule))
    ]
    parts: list[RenderableType] = [table, *([Text(), told(*asked)] if asked else [])]
    for note in notes:
        parts += [Text(), plain(note, "yellow")]
    listed = len(rejects.rejects)
    if listed >= rejects.total:
        return Group(*parts)
    me = rejects.batch.batch_id
    # Before the batch ends there is no file with all of them.
    ended = rejects.batch.published or (rejects.batch.state is BatchState.FAILED and rejects.batch.is_announced)
    # A batch over its limit stops counting, and writes no more than the first ones.
    stopped = rejects.batch.state is BatchState.FAILED and not rejects.batch.published
    everything = "All that were written" if stopped else "All of them"
    rest = f"{everything}: {baton()} fetch {me} --rejects" if ended else f"More: {baton()} rejects {me} -n 1000"
    how_many = f"The first {listed:,} of at least" if stopped else f"{listed:,} of"
    return Group(*parts, Text(), told(f"{how_many} {rejects.total:,} rejects. {rest}"))


def _no_rejects(rejects: Rejects) -> str:
    batch = rejects.batch
    if rejects.total:
        return f"{rejects.total:,} rejects, none listed here."
    if batch.published:
        return "No record was rejected."
    if batch.plan_id is None:
        why = f": {batch.failure.reason}" if batch.failure else ""
        return f"No record was checked: the batch is {batch.state}{why}{'' if why else '.'}"
    return f"No record was rejected so far: the batch is {batch.state}."


def submitted(submitted: Submitted) -> RenderableType:
    rows = (("sent", plain(f"{submitted.key} ({size(submitted.size_bytes)})")), ("batch", submitted.batch_id))
    return with_next(rows, f"{baton()} watch {submitted.batch_id}")


def sent_before(batch: Batch) -> str:
    """Return the note on a file that seems to be sent again."""
    return (
        f"A file of this name and size was sent at {moment(batch.admitted_at)}: batch {batch.batch_id}, {batch.state}. "
        f"This is another batch; if that was a mistake: {baton()} cancel last"
    )


def fetched(fetched: Fetched) -> RenderableType:
    return plain(f"{fetched.path}: {size(fetched.size_bytes)} from {fetched.region}")


def jobs(catalog: Catalog) -> RenderableType:
    if not catalog:
        return Text("No job.")
    parts: list[RenderableType] = []
    for name, loaded in sorted(catalog.items()):
        job = loaded.job
        head = Text.assemble((name, "bold"), ("  version ", "dim"), loaded.version)
        rows: list[tuple[str, RenderableType]] = [
            ("  reads", plain(job.dialect.described)),
            ("  columns", plain(", ".join(job.columns) if job.columns else "any")),
        ]
        if job.lookup:
            rows.append(("  looks up", plain(f"{job.lookup.dataset} by {job.lookup.key}")))
        # Addresses are copied: each has a line of its own, which is not broken.
        rows += [("  mail to" if not number else "", told(each)) for number, each in enumerate(job.recipients)]
        parts += [*([Text()] if parts else []), head, grid(rows)]
    return Group(*parts)


def reference(version: ReferenceVersion) -> RenderableType:
    return grid(
        (
            ("data set", plain(version.dataset)),
            ("version", version.version),
            ("rows", f"{version.rows:,}"),
            ("columns", plain(", ".join(version.columns))),
        )
    )


def changed(batch: Batch, *, owner: str) -> RenderableType:
    return Text.assemble(f"Batch {batch.batch_id} is ", state(batch.state), f". {advise(batch, owner=owner)}")
