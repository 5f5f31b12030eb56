"""Run every mutant: `make mutants [ONLY=text]`. Exits 1 if one survives that no reason excuses."""

import argparse
import sys

from mutants.run import is_found, shown
from mutants.table import MUTANTS


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="", help="mutants whose name or file holds this")
    chosen = options.parse_args().only
    survived: list[str] = []
    for mutant in (each for each in MUTANTS if chosen in each.name or chosen in each.file):
        found = is_found(mutant)
        outcome = "found" if found else f"survives: {mutant.equivalent or 'NO TEST FINDS IT'}"
        sys.stdout.write(f"{shown(mutant)}: {outcome}\n")
        sys.stdout.flush()
        if not found and not mutant.equivalent:
            survived.append(mutant.name)
    sys.stdout.write(f"{len(survived)} of {len(MUTANTS)} survive without a reason\n")
    sys.exit(bool(survived))


if __name__ == "__main__":
    main()
