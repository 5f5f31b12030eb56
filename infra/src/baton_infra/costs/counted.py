"""What a bill needs that no template says: how often our code calls, and how much it writes, each with its source."""

from collections.abc import Mapping
from typing import Final

from baton.model import paths

CANARY: Final[Mapping[str, float]] = {
    # Its file, plan, part, rejects, both joined, the manifest; and the list of what is to be deleted.
    "s3_put": 8,
    "s3_get": 14,
    # Three of them are of S3's event.
    "sqs_call": 15,
    # Seven writes of its row and one that deletes it, of 1 kB, in two Regions, in the table and in its index; its
    # tally, its one chunk, and its one reject.
    "dynamodb_write": 8 * 2 * 2 + 1 + 4 + 1,
    # The services' looks, and the controller's, which asks twice a second, for five seconds.
    "dynamodb_read": 9 + 10,
}
"""Calls of one canary, from its file to the last object that is deleted: `bench/aws_calls.py` counts them."""
CANARY_REQUESTS: Final = CANARY["s3_put"] + CANARY["s3_get"] + 7
"""Of S3, which charges no delete, but logs each."""
IDLE_SWEEP: Final[Mapping[str, float]] = {"s3_put": 1, "dynamodb_read": 12}
"""Calls of a pass that finds nothing, counted by the same bench: a list of inputs, queries, the control row."""
CANARY_SWEEP: Final[Mapping[str, float]] = {"s3_put": 2}
"""Calls of a sweep for what canaries left, which comes less often."""
HEARTBEAT_KB: Final = 8
"""With the controller's whole assessment. A test weighs one."""
METRICS_OF_A_LOOK: Final = 8
"""Ages of four queues, latency and backlog of two replication rules (`baton.aws.vitals`)."""
QUEUES: Final = 12
"""Of users' lanes. A look asks each for what waits, and its dead letters as seldom as CloudWatch is asked."""
METRICS_OF_AN_IDLE_REGION: Final = 5
"""Whether a controller is there, its epoch, whether it is active, how far its clock is off; and the age of the sweep.
All else is sent only while it is not 0 (`baton.telemetry.Noteworthy`)."""
LOG_BYTES: Final[Mapping[str, float]] = {"canary": 1_930, "look": 1_100, "sweep": 750}
"""Of the lines of a canary, of a controller that took vitals, and of a pass of the sweeper, with the 26 bytes that
CloudWatch adds to each line. A test measures them."""
EMPTY_RECEIVE_SECONDS: Final = 20
ACCESS_LOG_BYTES: Final = 600
"""Of a record of S3's access log. Not measured: those of AWS's examples have 500 to 700."""
IMAGES_GB: Final = 0.4
"""Of one set of images in one Region: `docker save | gzip` of all five, 2026-12-01."""

MILLION: Final[Mapping[str, float]] = {
    # A file of a million sales records, 81 MB in five chunks, 1 % rejected: `bench/aws_calls.py`, which a test holds
    # this against. Writes to the ledger are of 3 kB, in two Regions, in the table and in its index.
    "s3_put": 21,
    "s3_get": 41,
    "sqs_call": 20,
    "dynamodb_write": 7 * 3 * 2 * 2 + 1 + 5 * 4 + 40 * 25,
    "dynamodb_read": 15 + 8,
    "mail": 1,
    "lambda_call": 1,
}
FILE_GB: Final = 0.081
RESULT_GB: Final = 0.138
"""With the columns that were looked up."""
CPU_SECONDS: Final[Mapping[str, float]] = {"splitter": 0.54, "worker": 3.00, "merger": 0.46, "notifier": 0.22}
"""Measured end to end: docs/performance.md."""
STORED: Final[Mapping[str, tuple[float, int]]] = {
    paths.INPUT: (FILE_GB, 1),
    paths.WORK: (RESULT_GB, 11),
    paths.OUTPUT: (RESULT_GB, 3),
    paths.ARCHIVE: (FILE_GB, 1),
}
"""By prefix: how many GB such a file leaves there, and how many objects."""
