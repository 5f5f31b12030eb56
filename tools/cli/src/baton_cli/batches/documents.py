"""Answers about batches as JSON, for scripts. Names and meanings never change; fields may be added."""

from collections.abc import Mapping, Sequence

from baton.catalog import Catalog
from baton.job import Job
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton.ports import ReferenceVersion, Tally
from baton.rejects import not_all
from baton_cli.batches.advice import advise
from baton_cli.batches.files import Fetched, Submitted
from baton_cli.batches.queries import Detail, Overview, Rejects

type Json = str | int | float | bool | Sequence["Json"] | Mapping[str, "Json"] | None


def batch(batch: Batch, *, owner: str) -> dict[str, Json]:
    """Return one batch. Keys of what is not published, and the reason of what has not failed, are null."""
    published, failure = batch.published, batch.failure
    return {
        "batch_id": batch.batch_id,
        "job": batch.job,
        "key": batch.source.key,
        "version_id": batch.source.version_id,
        "size_bytes": batch.source.size_bytes,
        "state": batch.state.value,
        "run": batch.run,
        "owner_region": owner,
        "owner_epoch": batch.owner_epoch,
        "admitted_at": batch.admitted_at.isoformat(),
        "updated_at": batch.updated_at.isoformat(),
        "records_total": batch.records_total,
        "records_in": batch.counts.records_in,
        "records_out": batch.counts.records_out,
        "rejects": batch.counts.rejects,
        "failure_code": failure.code if failure else None,
        "reason": failure.reason if failure else None,
        "result_key": published.result_key if published else None,
        "result_bytes": published.result_bytes if published else None,
        "rejects_key": published.rejects_key if published else None,
        "manifest_key": published.manifest_key if published else None,
    }


def detail(detail: Detail) -> dict[str, Json]:
    return batch(detail.batch, owner=detail.owner) | {
        "plan_id": detail.batch.plan_id,
        "chunks": detail.batch.chunks,
        "history": [
            {"at": step.at.isoformat(), "state": step.state.value, "by": step.by} for step in detail.batch.history
        ],
        "progress": _tally(detail.tally) if detail.tally else None,
        "problem": detail.problem,
        "next": advise(detail.batch, owner=detail.owner),
    }


def _tally(tally: Tally) -> dict[str, Json]:
    return {
        "chunks": tally.chunks,
        "chunks_done": tally.chunks_done,
        "records_in": tally.counts.records_in,
        "records_out": tally.counts.records_out,
        "rejects": tally.counts.rejects,
        "updated_at": tally.updated_at.isoformat(),
    }


def submitted(submitted: Submitted) -> dict[str, Json]:
    return {
        "batch_id": submitted.batch_id,
        "job": submitted.job,
        "key": submitted.key,
        "version_id": submitted.version_id,
        "size_bytes": submitted.size_bytes,
        "sent_before_batch_id": submitted.sent_before.batch_id if submitted.sent_before else None,
    }


def status(status: Overview) -> dict[str, Json]:
    return {
        "environment": status.environment,
        "epoch": status.control.epoch,
        "active_region": status.control.active_region,
        "regions": [
            {"region": r.region, "active": r.active, "reachable": r.problem is None, "problem": r.problem}
            for r in status.regions
        ],
        "open": {state.value: status.open_by_state[state] for state in BatchState if status.open_by_state.get(state)},
        "oldest_open_batch_id": status.oldest_open.batch_id if status.oldest_open else None,
        "unreadable_batch_ids": [row.batch_id for row in status.unreadable],
    }


def rejects(rejects: Rejects, *, job: Job | None = None) -> dict[str, Json]:
    """Return the rejects. `not_all` says why there may be more bad records than these, and is null if there are not."""
    return {
        "batch_id": rejects.batch.batch_id,
        "total": rejects.total,
        "rejects_key": rejects.batch.published.rejects_key if rejects.batch.published else None,
        "not_all": not_all(rejects.batch, job) or None,
        "rejects": [
            {
                "record_number": reject.record_number,
                "byte_offset": reject.byte_offset,
                "column": reject.column,
                "rule": reject.rule,
                "value": reject.value,
                "line": reject.line,
            }
            for reject in rejects.rejects
        ],
    }


def fetched(fetched: Fetched) -> dict[str, Json]:
    return {
        "key": fetched.key,
        "path": str(fetched.path),
        "size_bytes": fetched.size_bytes,
        "region": fetched.region,
    }


def jobs(catalog: Catalog) -> list[Json]:
    return [
        {
            "job": name,
            "version": loaded.version,
            "columns": loaded.job.columns,
            "reference": loaded.job.lookup.dataset if loaded.job.lookup else None,
            "recipients": loaded.job.recipients,
        }
        for name, loaded in sorted(catalog.items())
    ]


def reference(version: ReferenceVersion) -> dict[str, Json]:
    return {
        "dataset": version.dataset,
        "version": version.version,
        "rows": version.rows,
        "columns": version.columns,
    }
