"""The mutants of the pipeline."""

from typing import Final

from mutants.run import Mutant

MUTANTS: Final = (
    Mutant(
        "a result over its limit of rejects is published",
        "services/merger/src/merger/handler.py",
        "        check_rejects(batch, job.limits, counts)\n",
        "        del job\n",
        "tests/unit/merger tests/pipeline",
    ),
)
