"""A promise in seconds is held on a busy machine by how much longer work takes there."""

import os
import subprocess
import sys

from slowed import Since, Slowed

_SPIN = (
    "import os, sys, time; os.sched_setaffinity(0, {int(sys.argv[1])}); print(flush=True); sys.stdin.readline()\n"
    "while time.process_time() < 0.2: pass\nprint(flush=True); sys.stdin.readline()"
)


def test_three_that_share_a_processor_take_three_times_as_long() -> None:
    core = str(min(os.sched_getaffinity(0)))
    command = [sys.executable, "-Sc", _SPIN, core]
    spinners = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) for _ in range(3)]  # noqa: S603 - this test's own words
    sent, said = [each.stdin for each in spinners if each.stdin], [each.stdout for each in spinners if each.stdout]

    assert [out.readline() for out in said] == [b"\n"] * 3
    since = Since(spinner.pid for spinner in spinners)
    assert [into.write(b"\n") for into in sent] == [1] * 3
    assert [out.readline() for out in said] == [b"\n"] * 3
    slowed = since.now()
    for spinner in spinners:
        spinner.communicate(b"\n")

    assert slowed.factor > 2, slowed


def test_who_computed_nothing_was_not_slowed_down() -> None:
    assert Slowed(0, 0).factor == 1
