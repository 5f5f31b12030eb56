"""The table of all mutants: of the pipeline, and of the handover."""

from typing import Final

from baton_proof.mutants import (
    of_aws,
    of_controller,
    of_csv,
    of_decisions,
    of_library,
    of_merger_and_notifier,
    of_readiness,
    of_restores,
    of_splitter,
    of_sweeper,
    of_the_loop,
    of_worker,
)

MUTANTS: Final = (
    *of_aws.MUTANTS,
    *of_controller.MUTANTS,
    *of_csv.MUTANTS,
    *of_decisions.MUTANTS,
    *of_library.MUTANTS,
    *of_merger_and_notifier.MUTANTS,
    *of_readiness.MUTANTS,
    *of_restores.MUTANTS,
    *of_splitter.MUTANTS,
    *of_sweeper.MUTANTS,
    *of_the_loop.MUTANTS,
    *of_worker.MUTANTS,
)
