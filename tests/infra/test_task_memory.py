"""What each service may hold at once, in all of its lanes, fits into the memory that its task is declared with."""

from typing import Final

import pytest

import merger.handler
import merger.main
import notifier.main
import splitter.handler
import splitter.main
import worker.main
import worker.tables
from baton.aws.s3 import objects
from baton.aws.s3.ranged import RANGE_BYTES, RANGES_AHEAD
from baton.messages import APART, CANARY, LARGE, ORDINARY
from baton.model.batch import LARGE_FROM_BYTES
from baton.model.plan import CHUNK_BYTES_DEFAULT, CHUNK_BYTES_MAX, CHUNKS_MAX, MIB
from baton.ports.preconditions import JOINED_BYTES_MAX
from baton.service import APART_SLOTS, CANARY_SLOTS
from baton_infra import config
from baton_infra.sizes import SHARED_ENVIRONMENT, SHARED_MEMORY_MIB
from merger.bounds import LARGE_AT_ONCE, LARGE_CHUNKS
from worker.room import SHARES, Share
from worker.settings import WorkerSettings

# Measured, with some room: by `make bench NAME=shapes`, and processes that have imported what they need.
ITSELF: Final = {"splitter": 128 * MIB, "worker": 192 * MIB, "merger": 112 * MIB, "notifier": 112 * MIB}
APART_BYTES: Final = 160 * MIB
"""Of the process that computes a chunk of a suspected batch, before it has one."""
CANARY_BYTES: Final = MIB
"""Of a canary in hand: its file is one of a hundred bytes."""
PLAN_CHUNK_BYTES: Final = 1_300
"""Of a chunk in a plan."""
BOOKS_CHUNK_BYTES: Final = 6_000
"""Of a chunk in plan, counts, pieces and manifest together."""
REASONS_CHUNK_BYTES: Final = 2_500
"""Of a chunk's counts, with twenty reasons whose texts it shares with others."""
SCAN_BYTES: Final = 25 * MIB
"""Of a large file in the splitter besides its ranges: 2 MiB of it with their bitmaps, and the plan of 9,000 chunks."""
SMALL_SCAN_BYTES: Final = 12 * MIB
SMALL_CHUNK_WORK_BYTES: Final = 40 * 2 * MIB
"""Of a chunk of a small file while it is judged: `tests/integration/test_shapes.py` holds every shape to it."""
CHUNK_WORK_BYTES: Final = 300 * MIB
"""The most of any shape of an ordinary chunk, and of a piece of a larger one, result and rejects included."""
LARGER_CHUNK_WORK_BYTES: Final = 384 * MIB
"""The same of a chunk of twice the size that is not cut into pieces."""
LINES_AT_ONCE_BYTES: Final = 3 * 4 * MIB
"""While lines are joined."""
INDEXED_FACTOR: Final = 3
"""Memory by byte of rejects that are read for the index."""
HEAD_BYTES: Final = 2 * MIB
"""Of a mail: the first rejects, and itself."""


def _splitter(slots: int = splitter.main.SLOTS) -> int:
    stream_bytes = (RANGES_AHEAD + 1) * RANGE_BYTES
    large = splitter.main.LARGE_AT_ONCE * (stream_bytes + SCAN_BYTES)
    small = (slots + APART_SLOTS) * (LARGE_FROM_BYTES + SMALL_SCAN_BYTES)
    return large + small + CANARY_SLOTS * (CANARY_BYTES + splitter.handler.SCANNED_BYTES)


def _in_hand(share: Share) -> int:
    """Return what a chunk holds that is read, or written, while another one of its lane is in work."""
    by_keys = worker.tables.LOADING_FACTOR * worker.tables.VALUES_AT_ONCE_BYTES
    return share.chunk_bytes + share.rows_bytes + share.output_bytes + by_keys


def _worker(settings: WorkerSettings, chunk_bytes: int, slots: int = worker.main.SLOTS) -> int:
    """`chunk_bytes`: of the largest chunk in hand."""
    larger = SHARES[LARGE].chunk_bytes
    plans = (settings.chunks_cached + worker.main.CANARIES_KEPT) * PLAN_CHUNK_BYTES
    work = LARGER_CHUNK_WORK_BYTES if chunk_bytes <= larger else CHUNK_WORK_BYTES
    # One chunk has what is beyond its share; a giant one is read only when it has it.
    beyond = settings.output_bytes_max + settings.reference_bytes_held_max + LINES_AT_ONCE_BYTES
    if chunk_bytes > larger:
        beyond += chunk_bytes - _in_hand(SHARES[LARGE])
    in_hand = slots * (_in_hand(SHARES[ORDINARY]) + _in_hand(SHARES[LARGE]))
    in_hand += APART_SLOTS * (_in_hand(SHARES[APART]) + APART_BYTES + LARGER_CHUNK_WORK_BYTES)
    tables = settings.reference_bytes_in_all_max
    return plans + tables + SMALL_CHUNK_WORK_BYTES + work + in_hand + beyond + CANARY_SLOTS * CANARY_BYTES


def _joined() -> int:
    return objects.JOINED_AT_ONCE * 2 * JOINED_BYTES_MAX


def _merger(slots: int = merger.main.SLOTS) -> int:
    users = 2 * slots + APART_SLOTS
    books = LARGE_AT_ONCE * CHUNKS_MAX * BOOKS_CHUNK_BYTES + users * LARGE_CHUNKS * BOOKS_CHUNK_BYTES
    windows = (merger.handler.PARTS_INDEXED_AT_ONCE - 1) * merger.handler.INDEX_BYTES_FIRST
    indexed = INDEXED_FACTOR * (windows + merger.handler.INDEX_BYTES_MAX)
    return _joined() + books + indexed + CANARY_SLOTS * CANARY_BYTES


def _notifier(slots: int = notifier.main.SLOTS) -> int:
    mails = (2 * slots + APART_SLOTS) * HEAD_BYTES
    return _joined() + mails + CHUNKS_MAX * (REASONS_CHUNK_BYTES + BOOKS_CHUNK_BYTES) + CANARY_SLOTS * CANARY_BYTES


def _needed(service: str) -> int:
    match service:
        case "splitter":
            return _splitter()
        case "worker":
            settings = WorkerSettings()
            return max(_worker(settings, size) for size in CHUNKS)
        case "merger":
            return _merger()
        case _:
            return _notifier()


CHUNKS: Final = (CHUNK_BYTES_DEFAULT, SHARES[LARGE].chunk_bytes, CHUNK_BYTES_MAX)


def _needed_shared(service: str) -> int:
    """Return the same of a container in the task of a lean environment."""
    told = SHARED_ENVIRONMENT[service]
    slots = int(told["BATON_RUNNER_SLOTS"])
    match service:
        case "splitter":
            return _splitter(slots)
        case "worker":
            begins = "BATON_WORKER_"
            bounds = {name.removeprefix(begins).lower(): int(told[name]) for name in told if name.startswith(begins)}
            settings = WorkerSettings.model_validate(bounds)
            # A table that is loaded whole takes six times its values meanwhile.
            assert 6 * settings.reference_bytes_in_memory_max <= settings.reference_bytes_in_all_max
            return max(_worker(settings, size, slots) for size in CHUNKS)
        case "merger":
            return _merger(slots)
        case _:
            return _notifier(slots)


@pytest.mark.parametrize("service", ["splitter", "worker", "merger", "notifier"])
def test_all_lanes_of_a_service_fit_into_its_part_of_a_shared_task(service: str) -> None:
    memory_bytes = SHARED_MEMORY_MIB[service] * MIB

    needed = ITSELF[service] + _needed_shared(service)

    assert 0.9 * memory_bytes < needed <= memory_bytes, f"{needed / MIB:.0f} MiB"


@pytest.mark.parametrize("environment", config.names())
@pytest.mark.parametrize("service", ["splitter", "worker", "merger", "notifier"])
def test_all_lanes_of_a_service_fit_into_its_task(service: str, environment: str) -> None:
    memory_bytes = config.load(environment).tasks_of(service).memory_mib * MIB

    needed = ITSELF[service] + _needed(service)

    assert needed <= memory_bytes, f"{needed / MIB:.0f} MiB"
    assert needed > memory_bytes / 2, f"{needed / MIB:.0f} MiB: what is declared and never needed costs"


def test_a_canarys_share_is_that_of_a_small_file() -> None:
    assert SHARES[CANARY] == SHARES[ORDINARY]
    assert SHARES[ORDINARY].chunk_bytes == LARGE_FROM_BYTES
