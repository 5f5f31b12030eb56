"""Runs every mutant, as many at once as there are cores: `make mutants [ONLY=text]`.

Exits with 1 if one survives without an accepted reason.
"""

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from baton_proof.mutants.run import PRELOADED, is_found, shown
from baton_proof.mutants.table import MUTANTS


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="", help="mutants whose name or file holds this")
    text = options.parse_args().only
    chosen = [each for each in MUTANTS if text in each.name or text in each.file]
    survived: list[str] = []
    began = time.monotonic()
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(PRELOADED)
    with ProcessPoolExecutor(os.cpu_count(), mp_context=processes, max_tasks_per_child=1) as pool:
        for mutant, found in zip(chosen, pool.map(is_found, chosen), strict=True):
            outcome = "found" if found else f"survives: {mutant.equivalent or 'NO TEST FINDS IT'}"
            sys.stdout.write(f"{shown(mutant)}: {outcome}\n")
            sys.stdout.flush()
            if not found and not mutant.equivalent:
                survived.append(mutant.name)
    seconds = time.monotonic() - began
    sys.stdout.write(f"{len(survived)} of {len(chosen)} survive without a reason, {seconds:,.0f} s\n")
    sys.exit(bool(survived))


if __name__ == "__main__":
    main()
