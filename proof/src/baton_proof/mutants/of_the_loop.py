"""Mutants of what the controller sees and says: its loop, its measurements, and the journal in DynamoDB."""

from typing import Final

from baton_proof.mutants.run import Mutant

_CONTROLLER: Final = "services/failover-controller/src/failover_controller/controller.py"
_LOOKOUT: Final = "services/failover-controller/src/failover_controller/lookout.py"
_JOURNAL: Final = "libs/baton/src/baton/aws/dynamodb/journal.py"
_MEASURED: Final = "tests/unit/controller/test_lookout.py"
_SHELL: Final = "tests/unit/controller/test_controller_shell.py"
_CONTRACT: Final = "tests/contract/test_contract_journal.py"

MUTANTS: Final = (
    # --- the loop
    Mutant(
        "a hold waits for the next beat",
        _CONTROLLER,
        "max(0.0, min(due, hold or due) - least)",
        "max(0.0, due - least)",
        _SHELL,
    ),
    Mutant(
        "an unreadable heartbeat counts as a row that is gone",
        _CONTROLLER,
        "gone = {} if self._passed_over else dict",
        "gone = dict",
        "tests/unit/controller/test_high_water.py",
    ),
    Mutant(
        "a heartbeat is counted before it is known how far the ledger has been",
        _CONTROLLER,
        "if not seen.kept_is_known or found is None:",
        "if found is None:",
        "tests/unit/controller/test_high_water.py",
    ),
    Mutant(
        "a heartbeat counts from when its write ended",
        _CONTROLLER,
        "replace(self._memory, written_at=now)",
        "replace(self._memory, written_at=self._clock.now())",
        _SHELL,
    ),
    Mutant(
        "an unreadable row is logged at each look",
        _CONTROLLER,
        "for name in passed_over.keys() - self._passed_over:",
        "for name in passed_over.keys():",
        "tests/unit/controller/test_refused_controllers.py",
    ),
    Mutant(
        "a loop that hangs is healthy",
        _CONTROLLER,
        "healthy = idle < self._settings.driver_seconds",
        "healthy = idle >= 0",
        _SHELL,
    ),
    Mutant(
        "a look without heartbeats decides by the control row alone",
        _CONTROLLER,
        "control=control.value if not unread else None,",
        "control=control.value,",
        _SHELL,
    ),
    Mutant(
        "an error in one turn ends the loop",
        _CONTROLLER,
        "except Exception as error:  # noqa: BLE001 - if the loop ended",
        "except BatonError as error:  # noqa: BLE001 - if the loop ended",
        _SHELL,
    ),
    # --- measurements
    Mutant(
        "one Region that refuses counts as both",
        _LOOKOUT,
        "everywhere = len(regions) > 1 and {sample.region for sample in refused} == regions.keys()",
        "everywhere = bool(refused)",
        "tests/unit/controller/test_refused_controllers.py",
    ),
    Mutant(
        "our own Region's refusals count for nothing",
        _LOOKOUT,
        "if not everywhere or sample.region == self._region:",
        "if not everywhere:",
        _MEASURED,
    ),
    Mutant(
        "a canary that failed urges no look",
        _LOOKOUT,
        "        if probe.verdict is Verdict.UNHEALTHY:\n            self._urge()\n",
        "",
        _MEASURED,
    ),
    Mutant(
        "a refused canary urges no look",
        _LOOKOUT,
        "        if refused:\n            self._urge()\n",
        "",
        _MEASURED,
    ),
    Mutant(
        "a change that was there before us counts as made now",
        _LOOKOUT,
        "change, None if known is None else now",
        "change, now",
        _MEASURED,
    ),
    Mutant(
        "dead letters of long ago stay new",
        _LOOKOUT,
        "while now - counts[0][0] > timedelta(seconds=self._settings.dead_letters_seconds):",
        "while not counts:",
        _MEASURED,
    ),
    Mutant(
        "a standby measures itself alone",
        _LOOKOUT,
        "regions = {me, control.active_region if control else me}",
        "regions = {me}",
        _MEASURED,
    ),
    Mutant(
        "a canary does not know the load beside it",
        _LOOKOUT,
        "self._loads[region] = load",
        "self._loads[region] = 0.0",
        "tests/unit/controller/test_canaries_in_doubt.py",
    ),
    Mutant(
        "an answer of the endpoints counts again at each look",
        _LOOKOUT,
        "self.samples, self.results, self.provided, self.endpoints, self.drain = [], [], [], None, None",
        "self.samples, self.results, self.provided, self.drain = [], [], [], None",
        _MEASURED,
    ),
    # --- the journal
    Mutant(
        "an older heartbeat replaces a later one",
        _JOURNAL,
        "condition = {} if heartbeat.beats is None else typed(not_beaten(heartbeat.beats))",
        "condition = {}",
        _CONTRACT,
    ),
    Mutant(
        "an order is settled twice",
        _JOURNAL,
        "if not await self._rows.put(self._command_item(command), _PENDING):",
        "if not await self._rows.put(self._command_item(command), {}):",
        _CONTRACT,
    ),
    Mutant(
        "an order that is settled stays in the list",
        _JOURNAL,
        "command.at, command.id) if command.state is CommandState.PENDING else {}",
        "command.at, command.id)",
        _CONTRACT,
    ),
    Mutant(
        "the record of a switch that ended is written over",
        _JOURNAL,
        "to_item(row)}, typed(NOT_ENDED))",
        "to_item(row)}, {})",
        _CONTRACT,
    ),
    Mutant(
        "the newest decisions come last",
        _JOURNAL,
        "self._listed(_DECISIONS, newest_first=True, limit=limit)",
        "self._listed(_DECISIONS, newest_first=False, limit=limit)",
        _CONTRACT,
    ),
    Mutant(
        "a decision is written over",
        _JOURNAL,
        "to_item(decision_key(decision.id)), **to_item(row)}, ABSENT)",
        "to_item(decision_key(decision.id)), **to_item(row)}, {})",
        _CONTRACT,
    ),
    Mutant(
        "a row that can be read again is still passed over",
        _JOURNAL,
        "self._passed_over[form.name] = passed_over\n",
        "passed_over = self._passed_over.setdefault(form.name, {})\n",
        "tests/contract/test_aws_rows_of_other_versions.py",
    ),
)
