"""Explores the model: `python -m baton_proof.small_model --decisions 2 --crashes 2 --delays 2`."""

import argparse
import sys
import time

from baton_proof.small_model.explore import explore
from baton_proof.small_model.protocol import Baton
from baton_proof.small_model.state import NO_ROW, SETTLED, Bug, Design, SearchBounds


def main() -> int:
    """Print what was explored, and the shortest counterexample if there is one. Return the exit code."""
    parser = argparse.ArgumentParser(prog="small_model", description="Explore the protocol within bounds.")
    for name in SearchBounds._fields:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=0)
    parser.add_argument("--workers", default="01", help="the Region of each: 01, or 001 for two in the first")
    parser.add_argument("--bug", choices=[bug.name for bug in Bug])
    parser.add_argument("--no-batch", action="store_true", help="only the control row and the routing controls")
    parser.add_argument("--not-reduced", action="store_true")
    asked = parser.parse_args()
    design = Design(
        bounds=SearchBounds(*(getattr(asked, name) for name in SearchBounds._fields)),
        workers=tuple(int(digit) for digit in asked.workers),
        row=SETTLED if asked.no_batch else NO_ROW,
        bug=Bug[asked.bug] if asked.bug else None,
        reduced=not asked.not_reduced,
    )
    began = time.process_time()
    report = explore(Baton(design))
    sys.stdout.write(f"{report}, {time.process_time() - began:.1f} s\n{report.found or 'no law is broken'}\n")
    return 1 if report.found else 0


if __name__ == "__main__":
    raise SystemExit(main())
