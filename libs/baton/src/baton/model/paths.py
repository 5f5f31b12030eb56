"""Keys of all objects in a data bucket. They are deterministic: repeating a step overwrites the same bytes."""

from typing import Final, NamedTuple

from baton.model.identity import CANARY, is_canary_id

INPUT: Final = "input/"
WORK: Final = "work/"
OUTPUT: Final = "output/"
ARCHIVE: Final = "archive/"
CANARY_WORK: Final = "canary-work/"
"""Parts and results of canaries: not below `canary/`, where each would invoke the trigger."""
CANARY_JOB_NAME: Final = "canary"
REPLICATED: Final = (INPUT, WORK, OUTPUT, ARCHIVE)
"""What each Region's bucket replicates to the other one. Canaries are their own Region's affair."""
REPLICATED_IN_TIME: Final = (INPUT, OUTPUT)
"""For what nobody can make again S3 is paid for its promise of 15 minutes; parts can be, and archives can wait."""
KEY_BYTES_MAX: Final = 1_024
"""S3's ceiling for a key in UTF-8."""
_INDEX_DIGITS: Final = 5
"""Of a chunk, in keys: so they are listed in its order."""


class InputName(NamedTuple):
    """What an input key says: which job, and the sender's name for the file (it may contain slashes)."""

    job: str
    name: str


def parse_input_key(key: str) -> InputName | None:
    """Split `input/<job>/<name>`. None if the key is no input file (another prefix, or a folder marker).

    `canary/<region>/<name>` is an input of the job `canary`. A file directly below `input/` names no job: it is an
    input with an empty job, and fails with a list of the jobs.
    """
    if canary_region(key):
        return InputName(CANARY_JOB_NAME, key.removeprefix(CANARY))
    if not key.startswith(INPUT) or key.endswith("/"):
        return None
    job, slash, name = key.removeprefix(INPUT).partition("/")
    return InputName(job, name) if slash else InputName("", job)


_FOLDER_MARKER: Final = "_$folder$"
_COMMIT_MARKERS: Final = ("_committed_", "_started_")
"""What Databricks leaves in a folder, and what else is in the name after it; Spark and Hadoop leave `_SUCCESS`."""


def is_marker(key: str, size_bytes: int | None) -> bool:
    """Return whether this is what tools leave beside data, by its name or by having no bytes (None: unknown).

    Never data, whatever its size: `_SUCCESS`, `_committed_…`, `_started_…`, `…_$folder$`, and all below a folder
    `_temporary`, which Hadoop writes again under its real name. Only if it is empty: any other name that begins with
    `_` or `.`, which Hadoop, Spark and Hive hide (`.keep`, `_metadata`). An empty file of another name is a file.
    """
    *folders, name = key.split("/")
    if (
        name == "_SUCCESS"
        or name.startswith(_COMMIT_MARKERS)
        or name.endswith(_FOLDER_MARKER)
        or "_temporary" in folders
    ):
        return True
    return size_bytes == 0 and name.startswith(("_", "."))


def canary_region(key: str) -> str | None:
    """Return the Region that a canary's key names; None if it is no canary's."""
    if not key.startswith(CANARY) or key.endswith("/"):
        return None
    region, slash, _ = key.removeprefix(CANARY).partition("/")
    return region if slash and region else None


def canary_key(region: str, name: str) -> str:
    return f"{CANARY}{region}/{name}.csv"


def canary_work(batch_id: str) -> str:
    """Return the folder of everything that is made of one canary."""
    return f"{CANARY_WORK}{batch_id}/"


def _work(batch_id: str, plan_id: str) -> str:
    return f"{canary_work(batch_id) if is_canary_id(batch_id) else f'{WORK}{batch_id}/'}{plan_id}/"


def input_key(job: str, name: str) -> str:
    return f"{INPUT}{job}/{name}"


def plan_key(batch_id: str, plan_id: str) -> str:
    return f"{_work(batch_id, plan_id)}plan.json"


def part_key(batch_id: str, plan_id: str, index: int, crc64nvme: int) -> str:
    """Return the key of a chunk's output. `plan_id` carries the versions of the rules and of the reference data.

    Rules that are no pure functions may give other bytes each time. By its checksum, no run of a chunk writes over what
    another one wrote, and may have recorded.
    """
    return f"{parts_of_chunk(batch_id, plan_id, index)}{crc64nvme:016x}.csv"


def parts_of_chunk(batch_id: str, plan_id: str, index: int) -> str:
    """Return what the keys of a chunk's parts begin with: one part for nearly every chunk."""
    return f"{_work(batch_id, plan_id)}parts/{index:0{_INDEX_DIGITS}d}-"


def rejects_part_key(batch_id: str, plan_id: str, index: int, crc64nvme: int) -> str:
    """Return the key of a chunk's rejects, by their checksum as well."""
    return f"{rejects_of_plan(batch_id, plan_id)}{index:0{_INDEX_DIGITS}d}-{crc64nvme:016x}.csv"


def rejects_of_plan(batch_id: str, plan_id: str) -> str:
    """Return what the keys of the rejects of all chunks begin with."""
    return f"{_work(batch_id, plan_id)}rejects/"


def chunk_of(key: str) -> int:
    """Return the index of the chunk whose part, or whose rejects, this is."""
    return int(key.rpartition("/")[2][:_INDEX_DIGITS])


def output_prefix(job: str, batch_id: str, epoch: int, plan_id: str) -> str:
    """Return the folder of a published result. Nobody writes other bytes over published ones.

    The epoch keeps a stale owner from it, the plan a merger that a retry under other rules left behind.
    """
    folder = canary_work(batch_id) if is_canary_id(batch_id) else f"{OUTPUT}{job}/{batch_id}/"
    return f"{folder}e{epoch}-{plan_id}/"


def failed_rejects_key(job: str, batch_id: str, epoch: int, plan_id: str, run: int) -> str:
    """Return where the rejects of a batch that FAILED are joined: a key that no merger writes, in any run."""
    return f"{output_prefix(job, batch_id, epoch, plan_id)}failed-{run}/rejects.csv"


def archive_key(job: str, batch_id: str, name: str) -> str:
    """Return where an input lies once its batch is completed. The id keeps two versions of one name apart.

    The folder is longer than `input/`: of a name that would no longer fit, the end is kept.
    """
    folder = f"{ARCHIVE}{job}/{batch_id}/"
    kept = name.encode()[-(KEY_BYTES_MAX - len(folder.encode())) :]
    return folder + kept.decode(errors="ignore")
