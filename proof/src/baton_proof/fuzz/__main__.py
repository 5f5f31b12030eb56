"""Fuzzes for some minutes: `make fuzz MINUTES=60 SEED=1`. Each seed is one file; a seed that differs is printed.

Exits with 1 at the first difference, or continues to the end with `--keep-going`.
"""

import argparse
import sys
import time
import traceback
from collections import Counter

from baton_proof.fuzz.cases import Case, case_of
from baton_proof.fuzz.odd import twisted
from baton_proof.fuzz.oracle import Ended, expected
from baton_proof.fuzz.play import difference


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=0.5)
    options.add_argument("--seed", type=int, default=1, help="the first seed; the next ones follow")
    options.add_argument("--keep-going", action="store_true")
    chosen = options.parse_args()
    until = time.monotonic() + 60 * chosen.minutes
    seed, wrong, ends = chosen.seed, 0, Counter[str]()
    while time.monotonic() < until:
        case = twisted(case_of(seed))
        must = expected(case)
        ends[_kind(must)] += 1
        found = _found(case, must)
        if found:
            wrong += 1
            sys.stdout.write(f"seed {seed}: {found}\n")
            sys.stdout.flush()
            if not chosen.keep_going:
                break
        seed += 1
    sys.stdout.write(f"seeds {chosen.seed} to {seed - 1}: {seed - chosen.seed:,} files, {wrong} of them wrong\n")
    sys.stdout.write("".join(f"{files:9,} {end}\n" for end, files in ends.most_common()))
    sys.exit(bool(wrong))


def _kind(must: Ended) -> str:
    return must.failure or ("COMPLETED, with rejects" if must.rejects else "COMPLETED")


def _found(case: Case, must: Ended) -> str | None:
    try:
        return difference(case, must)
    except Exception:  # noqa: BLE001 - what crashes is found as well
        return traceback.format_exc(limit=-4)


if __name__ == "__main__":
    main()
