"""Mutants of the code that detects a restored ledger, and refuses orders until an operator raises the epoch."""

from typing import Final

from baton_proof.mutants.run import Mutant

_RESTORED: Final = "libs/handover/src/handover/restored.py"
_KEPT: Final = "services/failover-controller/src/failover_controller/high_water.py"
_EPOCH: Final = "tools/cli/src/baton_cli/handover/epoch.py"
_RULES: Final = "tests/unit/handover/test_restored.py"
_SHELL: Final = "tests/unit/controller/test_high_water.py"
_COMMAND: Final = "tests/unit/cli/test_cli_epoch.py"

MUTANTS: Final = (
    Mutant(
        "a ledger that is behind is as good as any",
        _RESTORED,
        "behind = known is not None and not known.has_been_passed_by(found)",
        "behind = False",
        _RULES,
    ),
    Mutant(
        "heartbeats that continue make good what was lost",
        _RESTORED,
        "for each in (memory.went_back, *told) if",
        "for each in told if",
        _RULES,
    ),
    Mutant(
        "what the other controller says of a restore is not heard",
        _RESTORED,
        "for each in (memory.went_back, *told) if",
        "for each in (memory.went_back,) if",
        _RULES,
    ),
    Mutant(
        "what a heartbeat has seen counts against the row that was read beside it",
        _RESTORED,
        "    behind = known",
        "    for each in seen.heartbeats.values():\n"
        "        known = each.high_water.joined(known) if each.high_water else known\n"
        "    behind = known",
        _RULES,
    ),
    Mutant(
        "heartbeats that are gone are no sign",
        "libs/baton/src/baton/model/high_water.py",
        "return found.place >= self.place and not behind",
        "return found.place >= self.place",
        _RULES,
    ),
    Mutant(
        "a restored ledger is kept over what it had been",
        _KEPT,
        "if self.known is not None and not self.known.has_been_passed_by(mark):",
        "if self.known is not None and self.known.place == (0, 0):",
        _SHELL,
    ),
    Mutant(
        "a bucket that never answers is waited for without an end",
        _KEPT,
        "return self._first_asked_at is not None and self._clock.now() - self._first_asked_at > waited",
        "return self._first_asked_at is not None and waited is None",
        _SHELL,
    ),
    Mutant(
        "an epoch that was in force may be ordered again",
        _EPOCH,
        "if at_least <= known.epoch:",
        "if at_least <= control.epoch:",
        _COMMAND,
    ),
    Mutant(
        "the Region that a restored row names becomes active",
        _EPOCH,
        "active = owner_of(known.epoch, connection.regions)",
        "active = control.active_region",
        _COMMAND,
    ),
    Mutant(
        "who was mailed before a restore is mailed again",
        "services/notifier/src/notifier/handler.py",
        "if await self._was_mailed(batch):",
        "if batch.is_canary and await self._was_mailed(batch):",
        "tests/pipeline/test_restored_ledger.py",
    ),
)
