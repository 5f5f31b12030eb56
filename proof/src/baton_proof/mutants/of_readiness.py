"""Mutants of the checks of readiness, and of several freezes at a time."""

from typing import Final

from baton_proof.mutants.run import Mutant

_PROVIDED: Final = "libs/handover/src/handover/provided.py"
_LINK: Final = "libs/handover/src/handover_shell/link_check.py"
_ASKER: Final = "services/failover-controller/src/failover_controller/provisions_asker.py"
_COMMANDS: Final = "libs/handover/src/handover/commands.py"
_RULES: Final = "tests/unit/handover/test_provided.py"
_OF_LINKS: Final = "tests/unit/controller/test_link_check.py"
_OF_COMMANDS: Final = "tests/unit/handover/test_commands.py"

MUTANTS: Final = (
    Mutant(
        "no answer takes an answer back",
        _PROVIDED,
        "if each.verdict is not Verdict.UNKNOWN or known is None or known.verdict is Verdict.UNKNOWN:",
        "if True:",
        _RULES,
    ),
    Mutant(
        "an answer stands without an end",
        _PROVIDED,
        "if age <= settings.provisions_kept_seconds else Verdict.UNKNOWN",
        "if age >= 0 else Verdict.UNKNOWN",
        _RULES,
    ),
    Mutant(
        "a Region without room for more tasks is not left for",
        _PROVIDED,
        "good=not small, warns=bool(small))",
        "good=not small)",
        _RULES,
    ),
    Mutant(
        "a mail service in the sandbox would send",
        _PROVIDED,
        '("it is in the sandbox", mail.in_sandbox),',
        '("it is in the sandbox", False),',
        _RULES,
    ),
    Mutant(
        "one refusal of a link is one too many",
        _LINK,
        "> timedelta(seconds=self._settings.dials_seconds)",
        ">= timedelta(0)",
        _OF_LINKS,
    ),
    Mutant(
        "a link is followed also where the access point does not lead",
        _LINK,
        "if (await self._routes.dials()).get(region):",
        "if await self._routes.dials():",
        _OF_LINKS,
    ),
    Mutant(
        "what was refused is asked again in five minutes",
        _ASKER,
        "            self._found(Provided(provision, Verdict.UNKNOWN, answer.error, at))\n",
        "            self._answered_at[provision] = at\n"
        "            self._found(Provided(provision, Verdict.UNKNOWN, answer.error, at))\n",
        "tests/unit/controller/test_provisions_asker.py",
    ),
    Mutant(
        "one order lifts all freezes that there are",
        _COMMANDS,
        "    if wanted is None and len(freezes) > 1:\n",
        "    if wanted is None and len(freezes) > 9:\n",
        _OF_COMMANDS,
    ),
    Mutant(
        "a freeze replaces the one below it",
        "libs/baton/src/baton/model/control.py",
        "return self._frozen_by((*self.freezes(freeze.at), freeze))",
        "return self._frozen_by((freeze,))",
        _OF_COMMANDS,
    ),
)
