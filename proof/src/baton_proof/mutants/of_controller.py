"""Mutants of what carries decisions out: switches, lost writes, acts, the controller's loop, ARC and the journal."""

from typing import Final

from baton_proof.mutants.run import Mutant

_RULES: Final = "libs/handover/src/handover/"
_CONTROLLER: Final = "services/failover-controller/src/failover_controller/"
_BATON: Final = "libs/baton/src/baton/"
_TESTS: Final = "tests/unit/handover/"
_SHELL: Final = "tests/unit/controller/"

MUTANTS: Final = (
    # --- switching
    Mutant(
        "nobody follows a silent driver",
        _RULES + "switching.py",
        "return heard is None or now - heard.at > timedelta(seconds=memory.settings.driver_seconds)",
        "return heard is None",
        f"{_TESTS}test_steps.py {_TESTS}test_planned_switch.py",
    ),
    Mutant(
        "a canary from before the steps verifies",
        _RULES + "switching.py",
        " and newest.started_at and newest.started_at >= memory.phase_seen.at:",
        ":",
        _TESTS + "test_steps.py",
    ),
    Mutant(
        "a drain that takes too long goes on",
        _RULES + "switching.py",
        "    if look.waited_seconds >= limit:\n        waiting",
        "    if limit < 0:\n        waiting",
        _TESTS + "test_planned_switch.py",
    ),
    Mutant(
        "a look at the drain from before it counts",
        _RULES + "switching.py",
        "if drain is None or drain.waiting or drain.at < memory.phase_seen.at:",
        "if drain is None or drain.waiting:",
        _TESTS + "test_planned_switch.py",
    ),
    Mutant(
        "a drain is over although batches wait",
        _RULES + "switching.py",
        "if drain is None or drain.waiting or drain.at",
        "if drain is None or drain.at",
        _TESTS + "test_planned_switch.py",
    ),
    Mutant(
        "a planned switch goes to a Region that is no longer ready",
        _RULES + "switching.py",
        "    if not look.is_ready(transition.target):\n        return _rolled_back",
        "    if look is None:\n        return _rolled_back",
        _TESTS + "test_planned_switch.py",
    ),
    Mutant(
        "the result of another epoch ends a step",
        _RULES + "switching.py",
        "if result.done and result.epoch == look.control.epoch and not transition.finished(result.step)",
        "if result.done and not transition.finished(result.step)",
        _TESTS + "test_steps.py",
    ),
    Mutant(
        "an attempt that failed ends a step",
        _RULES + "switching.py",
        "if result.done and result.epoch == look.control.epoch and",
        "if result.epoch == look.control.epoch and",
        _TESTS + "test_steps.py",
    ),
    Mutant(
        "a step is never given up",
        _RULES + "switching.py",
        "    if look.waited_seconds >= settings.step_seconds:\n",
        "    if look.waited_seconds < 0:\n",
        _TESTS + "test_steps.py",
    ),
    Mutant(
        "it verifies with a step to go",
        _RULES + "switching.py",
        "    if all(transition.finished(step) for step in STEPS):\n",
        "    if any(transition.finished(step) for step in STEPS):\n",
        _TESTS + "test_steps.py",
    ),
    Mutant(
        "a freeze stops a switch that an operator ordered",
        _RULES + "switching.py",
        "    return control.frozen(now) and not ordered\n",
        "    return control.frozen(now)\n",
        f"{_TESTS}test_commands.py {_TESTS}test_steps.py {_TESTS}test_planned_switch.py",
    ),
    Mutant(
        "a cooldown never ends",
        _RULES + "switching.py",
        "look.now < control.cooldown_until:",
        "look.now:",
        _TESTS + "test_steps.py",
    ),
    Mutant(
        "an automatic failover is not counted",
        _RULES + "switching.py",
        "    if order.automatic:\n        oldest",
        "    if order.drill:\n        oldest",
        _TESTS + "test_suspicion.py::test_the_row_says_what_happened_and_the_record_says_why",
    ),
    # --- lost writes
    Mutant(
        "a lost write is never recognised",
        _RULES + "writes.py",
        "    if control == after:\n        return True\n",
        "",
        _TESTS + "test_lost_writes.py",
    ),
    Mutant(
        "what may still arrive is called overtaken",
        _RULES + "writes.py",
        "if not writes or control.revision <= writes[-1].before.revision:",
        "if not writes:",
        _TESTS + "test_lost_writes.py",
    ),
    # --- orders
    Mutant(
        "an order is applied twice",
        _RULES + "commands.py",
        "    if command.id in control.commands:\n",
        "    if not command.id:\n",
        _TESTS + "test_commands.py",
    ),
    Mutant(
        "an order of any age is taken",
        _RULES + "commands.py",
        "too_old = now - command.at > timedelta(seconds=memory.settings.command_seconds_max)",
        "too_old = False",
        _TESTS + "test_commands.py",
    ),
    Mutant(
        "an order is taken by either controller",
        _RULES + "commands.py",
        "        if not switching.drives(look.memory, target, look.now):\n",
        "        if not target:\n",
        _TESTS + "test_commands.py",
    ),
    Mutant(
        "a planned switch cuts another one short",
        _RULES + "commands.py",
        "            busy and kind is not CommandKind.FAILOVER,\n",
        "            busy and kind is CommandKind.DRILL,\n",
        _TESTS + "test_commands.py",
    ),
    Mutant(
        "force overrides for planned switches too",
        _RULES + "commands.py",
        "if command.force and command.kind is CommandKind.FAILOVER:",
        "if command.force:",
        _TESTS + "test_commands.py",
    ),
    # --- acts
    Mutant(
        "an act of another epoch is done",
        _CONTROLLER + "acts.py",
        "            if control.epoch != epoch:  # S12\n",
        "            if control.epoch < 0:  # S12\n",
        f"{_SHELL}test_takeover_attempts.py {_SHELL}test_acts.py",
    ),
    Mutant(
        "a freeze stops no act",
        _CONTROLLER + "acts.py",
        "            if stands_still(control, self._clock.now()):  # S9\n",
        "            if control.epoch < 0:  # S9\n",
        _SHELL + "test_acts.py",
    ),
    Mutant(
        "dials are not read back",
        _CONTROLLER + "acts.py",
        "        if found != wanted:\n",
        "        if not wanted:\n",
        _SHELL + "test_acts.py",
    ),
    Mutant(
        "dials that are wrong are left",
        _CONTROLLER + "acts.py",
        "        if dict(await self._routes.dials()) == wanted:\n",
        "        if await self._routes.dials():\n",
        _SHELL + "test_acts.py",
    ),
    Mutant(
        "routing controls that are wrong are left",
        _CONTROLLER + "acts.py",
        "if all(found.get(region) is state for region, state in wanted.items()):",
        "if found:",
        _SHELL + "test_acts.py",
    ),
    Mutant(
        "one empty pass ends a takeover",
        _CONTROLLER + "acts.py",
        "if not theirs and not takeover.unsent and empty_before:",
        "if not theirs and not takeover.unsent:",
        _SHELL + "test_acts.py",
    ),
    Mutant(
        "messages that were not sent are forgotten",
        _CONTROLLER + "acts.py",
        "            takeover.unsent[batch.batch_id] = there\n",
        "",
        _SHELL + "test_takeover_attempts.py",
    ),
    Mutant(
        "a drain does not wait for files",
        _CONTROLLER + "acts.py",
        'return None if there else f"the file of {batch.batch_id} is not there yet"',
        "return None",
        _SHELL + "test_acts.py",
    ),
    Mutant(
        "a drain does not wait for results",
        _CONTROLLER + "acts.py",
        'return None if there else f"the result of {batch.batch_id} is not there yet"',
        "return None",
        _SHELL + "test_acts.py",
    ),
    Mutant(
        "a drain does not wait for a mail that is being sent",
        _CONTROLLER + "acts.py",
        "    if claim is not None and claim.run == batch.run and claim.sent_at is None:\n",
        "    if claim is not None and claim.run < 0:\n",
        _SHELL + "test_acts.py",
    ),
    Mutant(
        "a drain waits for batches of the other Region",
        _CONTROLLER + "acts.py",
        "mine = [each for each in (await open_batches(self._ledger)).batches if not self._is_others(each, control)]",
        "mine = list((await open_batches(self._ledger)).batches)",
        _SHELL + "test_acts.py",
    ),
    Mutant(
        "canaries are taken over",
        _CONTROLLER + "acts.py",
        "for batch in page.batches if not batch.is_canary)",
        "for batch in page.batches)",
        _SHELL + "test_acts.py",
    ),
    # --- the controller's loop
    Mutant(
        "in doubt no more canaries are sent",
        _CONTROLLER + "lookout.py",
        "return self._settings.grey_probes if doubtful else 1",
        "return 1",
        _SHELL + "test_canaries_in_doubt.py",
    ),
    Mutant(
        "a step is begun again while it runs",
        _CONTROLLER + "controller.py",
        "        if key in self._running:\n            return\n",
        "",
        _SHELL + "test_controller_shell.py::test_a_step_that_takes_longer_than_a_look_is_done_once",
    ),
    # --- ARC
    Mutant(
        "one endpoint confirms",
        _BATON + "aws/switch/arc.py",
        "return len(as_wanted) >= _CONFIRMING",
        "return len(as_wanted) >= 1",
        "tests/contract/test_arc_faults.py",
    ),
    Mutant(
        "states are not read back",
        _BATON + "aws/switch/arc.py",
        "                    return await self._read_back(change)\n",
        "                    return None\n",
        "tests/contract/test_arc_faults.py",
    ),
    Mutant(
        "a refusal by a rule is tried again until time runs out",
        _BATON + "aws/switch/arc.py",
        "            if _refuses(error.answer):\n                raise change.error() from error\n",
        "",
        "tests/contract/test_arc_faults.py",
    ),
    Mutant(
        "any conflict is a refusal",
        _BATON + "aws/switch/arc.py",
        "return any(word in told for word in _BY_A_RULE)",
        "return bool(told)",
        "tests/contract/test_arc_faults.py",
    ),
    Mutant(
        "one silent endpoint ends a change",
        _BATON + "aws/switch/arc.py",
        "            change.errors.append(error)\n            return False\n",
        "            raise\n",
        "tests/contract/test_arc_faults.py",
    ),
    Mutant(
        "one Region's refusal ends a read",
        _BATON + "aws/switch/hedged.py",
        "                    errors.append(error)\n                    start += 1\n",
        "                    raise\n",
        "tests/contract/test_arc_faults.py tests/contract/test_dials_of_five_regions.py",
    ),
    Mutant(
        "a hanging endpoint is waited for",
        _BATON + "aws/switch/hedged.py",
        "timeout = hedge_seconds if waiting else None",
        "timeout = None",
        "tests/contract/test_arc_faults.py tests/contract/test_dials_of_five_regions.py",
    ),
    Mutant(
        "dials stop at the first silent Region",
        _BATON + "aws/switch/routes.py",
        "        asks = [partial(self._submit, client, updates) for client in shuffled(self._clients, self._dice)]\n",
        "        asks = [partial(self._submit, client, updates) for client in self._clients[:1]]\n",
        "tests/contract/test_dials_of_five_regions.py",
    ),
    # --- the journal
    Mutant(
        "an unreadable order hides all others",
        _BATON + "aws/dynamodb/journal.py",
        "            except Refused as error:\n                passed_over",
        "            except ZeroDivisionError as error:\n                passed_over",
        "tests/contract/test_aws_rows_of_other_versions.py",
    ),
)
