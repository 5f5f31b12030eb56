"""The command-line definitions of the commands on batches."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Group
from rich.progress import DownloadColumn, Progress, TransferSpeedColumn
from rich.text import Text

from baton.catalog import CatalogError
from baton.job import Job
from baton.model.batch import Batch
from baton.model.paths import failed_rejects_key
from baton.model.states import BatchState
from baton.rejects import not_all
from baton_cli.batches import actions, documents, files, queries, render, watching
from baton_cli.batches.files import Submission, Submitted
from baton_cli.handover import documents as handover_documents
from baton_cli.handover import queries as handover_queries
from baton_cli.handover import render as handover_render
from baton_cli.hints import baton
from baton_cli.options import AsJson, BatchName, TimeoutSeconds, no_pipe
from baton_cli.reach.connection import Connection, Declined
from baton_cli.session import OUTCOMES, ExitStatus, Session, session_of

app = typer.Typer()
_SEE: Final = "See"
_CHANGE: Final = "Change"
_LISTED: Final = 20
"""Batches of a list, unless somebody asks for more."""


@app.command(rich_help_panel=_CHANGE)
def submit(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The file to process.", show_default=False, callback=no_pipe)],
    job: Annotated[
        str, typer.Option("--job", "-j", help="The job to run on it; see `baton jobs`.", show_default=False)
    ],
    name: Annotated[str | None, typer.Option(help="Store it under another name.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it until it is done.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Send it even for a job that is not known here.")] = False,
    timeout: TimeoutSeconds = None,
    as_json: AsJson = False,
) -> None:
    """Submit a file to the active Region.

    With --watch it ends with 0 if the batch completed, 2 if it failed, 3 if it was cancelled. Ctrl-C only stops the
    watching: the batch continues and ends with a mail in any case.
    """
    session = session_of(ctx)
    left_out: list[CatalogError] = []
    with session.failing_clearly():
        here = session.places.catalog(left_out=left_out)
        jobs = files.Jobs(here, left_out, session.places.jobs_at_start())
        submission = files.prepare(file, job=job, name=name, jobs=jobs, force=force)
    if jobs.is_older_there(job):
        session.note(
            f"The world that runs was started with another version of the job {job!r}, and processes the file by that. "
            f"To use the one that is here: {baton()} down, then {baton()} up"
        )
    submitted = session.run(lambda connection: _upload(connection, submission, session))
    if submitted.sent_before:
        session.note(render.sent_before(submitted.sent_before))
    if watch:
        session.note(f"Batch {submitted.batch_id}")
        _watch(session, submitted.batch_id, timeout=timeout, as_json=as_json)
    else:
        session.answer(render.submitted(submitted), documents.submitted(submitted), as_json=as_json)


async def _upload(connection: Connection, submission: Submission, session: Session) -> Submitted:
    columns = ("Sending", *Progress.get_default_columns()[1:2], DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=session.err, transient=True, disable=not session.err.is_terminal) as progress:
        before = await queries.sent_before(connection, submission.key, submission.size_bytes)
        task = progress.add_task("", total=submission.size_bytes)

        def sent(count: int) -> None:
            progress.update(task, completed=count)

        return await files.submit(connection, submission, sent=sent, sent_before=before)


@app.command(rich_help_panel=_SEE)
def watch(ctx: typer.Context, batch: BatchName, timeout: TimeoutSeconds = None, as_json: AsJson = False) -> None:
    """Follow a batch until it is done; ends with 0, 2 (failed) or 3 (cancelled)."""
    session = session_of(ctx)
    found = session.run(lambda connection: queries.resolve(connection, batch))
    _watch(session, found.batch_id, timeout=timeout, as_json=as_json)


def _watch(session: Session, batch_id: str, *, timeout: float | None, as_json: bool) -> None:
    screen = watching.screen(session.err, quiet=as_json)

    async def follow(connection: Connection) -> tuple[Batch, str]:
        try:
            async with asyncio.timeout(timeout):
                last = await watching.follow(queries.watch(connection, batch_id), screen)
        except TimeoutError as error:
            now = await queries.look(connection, batch_id, queries.Snapshot(connection.clock.now(), None, None))
            raise Declined(f"not done after {timeout:g} s{_how_on(batch_id, now.batch)}") from error
        assert last.batch is not None, "watching ends with a final batch"
        return last.batch, connection.owner(last.batch)

    try:
        batch, owner = session.run(follow)
    except KeyboardInterrupt:
        session.note(f"The batch continues. Follow it again: {baton()} watch {batch_id}")
        raise typer.Exit(ExitStatus.INTERRUPTED) from None
    session.answer(render.summary(batch, owner=owner), documents.batch(batch, owner=owner), as_json=as_json)
    raise typer.Exit(OUTCOMES.get(batch.state, ExitStatus.OK))


def _how_on(batch_id: str, batch: Batch | None) -> str:
    if batch and batch.state is BatchState.PAUSED:
        return f": it is PAUSED. Resume it: {baton()} resume {batch_id}"
    if batch and batch.state is BatchState.QUARANTINED:
        return f": it is QUARANTINED, see why: {baton()} show {batch_id}"
    return f". It continues; follow it again: {baton()} watch {batch_id}"


@app.command(rich_help_panel=_SEE)
def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show both Regions, which one is active, open batches, and any switch under way."""
    session = session_of(ctx)

    async def ask(connection: Connection) -> None:
        found, heartbeats = await asyncio.gather(queries.status(connection), connection.journal.heartbeats())
        standing = handover_queries.situation_of(connection, found.control, heartbeats)
        shown = Group(render.status(found, now=connection.clock.now()), Text(), handover_render.handover(standing))
        document = documents.status(found) | handover_documents.handover(standing)
        session.answer(shown, document, as_json=as_json)

    session.run(ask)


@app.command("batches", rich_help_panel=_SEE)
def list_batches(
    ctx: typer.Context,
    state: Annotated[BatchState | None, typer.Option(case_sensitive=False, help="Only batches in this state.")] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=1, help="How many, the newest first: 20, or all that a switch moved."),
    ] = None,
    with_canaries: Annotated[bool, typer.Option("--all", help="Also the controllers' own canaries.")] = False,
    moved_by: Annotated[
        str | None, typer.Option(metavar="SWITCH", help="Only what a switch moved: its id, such as t3, or 'last'.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the newest batches, newest first."""
    session = session_of(ctx)

    async def ask(connection: Connection) -> None:
        switch = await handover_queries.switch(connection, moved_by) if moved_by else None
        most = limit or (sys.maxsize if switch else _LISTED)
        found = await queries.listed(connection, state=state, limit=most, canaries=with_canaries, moved_by=switch)
        rows = [documents.batch(batch, owner=connection.owner(batch)) for batch in found.batches]
        session.answer(render.batches(found.batches, now=connection.clock.now()), rows, as_json=as_json)
        if found.unreadable:
            session.note(render.unreadable(found.unreadable))

    session.run(ask)


@app.command(rich_help_panel=_SEE)
def show(ctx: typer.Context, batch: BatchName, as_json: AsJson = False) -> None:
    """Show everything about one batch: its history, counts, reason, keys, and what to do next."""
    session = session_of(ctx)

    async def ask(connection: Connection) -> None:
        found = await queries.detail(connection, await queries.resolve(connection, batch))
        session.answer(render.detail(found), documents.detail(found), as_json=as_json)

    session.run(ask)


@app.command(rich_help_panel=_SEE)
def rejects(
    ctx: typer.Context,
    batch: BatchName,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, in the order of the file.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the first rejected records of a batch, each with its reason."""
    session = session_of(ctx)

    async def ask(connection: Connection) -> None:
        found = await queries.rejects_of(connection, await queries.resolve(connection, batch), limit=limit)
        job = _job_of(session, found.batch)
        session.answer(render.rejects(found, job=job), documents.rejects(found, job=job), as_json=as_json)

    session.run(ask)


def _job_of(session: Session, batch: Batch) -> Job | None:
    try:
        loaded = session.places.catalog(left_out=[]).get(batch.job)
    except CatalogError:  # to look at rejects one need not have the jobs
        return None
    return loaded.job if loaded else None


@app.command(rich_help_panel=_SEE)
def fetch(
    ctx: typer.Context,
    batch: BatchName,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where to write it. Default: BATCH-result.csv (or -rejects, -manifest) in this directory.",
            callback=no_pipe,
        ),
    ] = None,
    want_rejects: Annotated[
        bool, typer.Option("--rejects", help="The rejected records instead of the result.")
    ] = False,
    want_manifest: Annotated[bool, typer.Option("--manifest", help="The manifest instead of the result.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Download the result of a batch. An interrupted download leaves no file, and none that is there is replaced."""
    session = session_of(ctx)

    async def ask(connection: Connection) -> None:
        found = await queries.resolve(connection, batch)
        key, checksum = _wanted(found, rejects=want_rejects, manifest=want_manifest)
        path = files.place(output, found, key, force=force)
        if want_rejects and not found.published:
            await _check_rejects(connection, found)
        fetched = await files.fetch(connection, found, key, path, checksum=checksum)
        session.answer(render.fetched(fetched), documents.fetched(fetched), as_json=as_json)
        if want_rejects and (unfinished := not_all(found, _job_of(session, found))):
            session.note(unfinished)

    session.run(ask)


async def _check_rejects(connection: Connection, batch: Batch) -> None:
    """Raise `Declined` if a failed batch has no file of rejects, since none were found or its mail is not out yet."""
    if not (await queries.rejects_of(connection, batch, limit=1)).rejects:
        raise Declined(f"no record of batch {batch.batch_id} was rejected before it failed: there is no such file")
    if not batch.is_announced:
        raise Declined(
            f"the rejects of batch {batch.batch_id} are collected when its mail is sent, which has not happened yet. "
            f"The first of them: {baton()} rejects {batch.batch_id}"
        )


def _wanted(batch: Batch, *, rejects: bool, manifest: bool) -> tuple[str, str | None]:
    """Return the key of what is wanted, and its checksum if one is known. Raises `Declined` if there is none."""
    published = batch.published
    if rejects and manifest:
        raise Declined("--rejects or --manifest, not both")
    if published is None and rejects and batch.state is BatchState.FAILED and batch.plan_id:
        # Where the notifier put them together, if there were any.
        return failed_rejects_key(batch.job, batch.batch_id, batch.owner_epoch, batch.plan_id, batch.run), None
    if published is None:
        raise Declined(f"batch {batch.batch_id} is {batch.state}: nothing of it is published")
    if rejects and not batch.counts.rejects:
        raise Declined(f"no record of batch {batch.batch_id} was rejected: there is nothing to fetch")
    if rejects:
        return published.rejects_key, None
    if manifest:
        return published.manifest_key, None
    return published.result_key, published.result_crc64nvme or None


type _Action = Callable[[Connection, str], Awaitable[actions.Changed]]


def _act(ctx: typer.Context, name: str, action: _Action, *, as_json: bool) -> None:
    session = session_of(ctx)

    async def ask(connection: Connection) -> None:
        found = await queries.resolve(connection, name)
        changed = await action(connection, found.batch_id)
        if changed.unsent:
            session.note(f"Its message could not be queued ({changed.unsent}). The sweeper will send it.")
        owner = connection.owner(changed.batch)
        document = documents.batch(changed.batch, owner=owner)
        session.answer(render.changed(changed.batch, owner=owner), document, as_json=as_json)

    session.run(ask)


@app.command(rich_help_panel=_CHANGE)
def cancel(ctx: typer.Context, batch: BatchName, as_json: AsJson = False) -> None:
    """End a batch before its result is published."""
    _act(ctx, batch, actions.cancel, as_json=as_json)


@app.command(rich_help_panel=_CHANGE)
def pause(ctx: typer.Context, batch: BatchName, as_json: AsJson = False) -> None:
    """Pause a batch; finished chunks are kept."""
    _act(ctx, batch, actions.pause, as_json=as_json)


@app.command(rich_help_panel=_CHANGE)
def resume(ctx: typer.Context, batch: BatchName, as_json: AsJson = False) -> None:
    """Resume a paused batch."""
    _act(ctx, batch, actions.resume, as_json=as_json)


@app.command(rich_help_panel=_CHANGE)
def retry(ctx: typer.Context, batch: BatchName, as_json: AsJson = False) -> None:
    """Retry a failed batch from where it stopped; finished chunks are kept."""
    _act(ctx, batch, actions.retry, as_json=as_json)
