"""The roles of a world, who may take them, and the tokens by which a lock recognises them.

`roles.json` holds what the CDK app declares for its environment `prod`, so that a world needs no CDK; a test of the
app's templates holds it equal. A session token says in plain text which role was taken and what narrows the session:
it is a stand-in for one that only AWS can read.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

from baton_local.locks.policies import Need, Policy, PolicyEffect, listed

DECLARED: Final = Path(__file__).with_name("roles.json")
REPLICATION: Final = "s3.amazonaws.com"
"""Who takes the roles of replication."""
TASKS: Final = "ecs-tasks.amazonaws.com"
"""Who takes those of services."""
_ASSUME: Final = "sts:AssumeRole"
_SESSIONS_KEPT: Final = 1_024


class UnknownToken(LookupError):
    """A session token of no role that is here."""


class MayNotAssume(PermissionError):
    """A role does not trust who wants to take it."""


@dataclass(frozen=True, slots=True)
class Role:
    """One role: what it may do, and who may take it."""

    name: str
    arn: str
    policy: Policy
    trust: tuple[tuple[frozenset[str], Policy], ...]
    """Principals, with what they may do under which conditions."""

    def trusts(self, principals: frozenset[str], keys: Mapping[str, tuple[str, ...]]) -> bool:
        """Return whether somebody with any of these names may take the role."""
        need = Need(_ASSUME, self.arn, keys)
        said = [policy.says(need) for named, policy in self.trust if named & principals]
        return PolicyEffect.ALLOWS in said and PolicyEffect.DENIES not in said

    @property
    def is_of_replication(self) -> bool:
        return any(REPLICATION in named for named, _ in self.trust)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a role, perhaps in a session that may do less."""

    role: Role
    region: str
    """Where its tasks run; empty for one of no Region."""
    session: Policy | None = None


class Roles:
    """Every role of one account, and the policies of its buckets."""

    def __init__(self, declared: Mapping[str, Any]) -> None:
        """Take the text of `declared`, as JSON. Raises `UnknownPolicy` for what no lock could judge."""
        self.account_id: str = declared["account"]
        self.buckets: Mapping[str, Policy] = {name: Policy(each) for name, each in declared["buckets"].items()}
        self._roles = {name: _role(name, self.account_id, each) for name, each in declared["roles"].items()}
        self.access_point: str = declared["access_point"]
        self.key_alias: str = declared["key_alias"]
        self._regions = tuple(declared["regions"])
        self.caller = lru_cache(_SESSIONS_KEPT)(self._caller)

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls(json.loads(path.read_text()))

    def issue(self, name: str, service: str) -> str:
        """Return a token for a role that a service of AWS takes for our code. Raises `MayNotAssume`."""
        role = self.named(name)
        if not role.trusts(frozenset({service}), {"aws:sourceaccount": (self.account_id,)}):
            raise MayNotAssume(f"{name} does not trust {service}")
        return token(name)

    def assume(self, arn: str, caller: Role | None) -> Role:
        """Return the role that somebody of the account wants to take, None being its owner. Raises `MayNotAssume`."""
        names = {"*", f"arn:aws:iam::{self.account_id}:root"}
        keys: dict[str, tuple[str, ...]] = {}
        if caller:
            names.add(caller.arn)
            keys["aws:principalarn"] = (caller.arn,)
        role = self._roles.get(arn.rpartition("/")[2])
        if role is None or role.arn != arn or not (caller is None or role.trusts(frozenset(names), keys)):
            raise MayNotAssume(arn)
        return role

    def has(self, name: str) -> bool:
        return name in self._roles

    def named(self, name: str) -> Role:
        """Return a role. Raises `UnknownToken`."""
        if name not in self._roles:
            raise UnknownToken(name)
        return self._roles[name]

    def _caller(self, text: str) -> Caller:
        """Return whom a session token names. Raises `UnknownToken`."""
        try:
            said = json.loads(base64.urlsafe_b64decode(text))
            name, policy = said["role"], said["policy"]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UnknownToken(text) from error
        region = next((each for each in self._regions if name.endswith(f"-{each}")), "")
        return Caller(self.named(name), region, self._session(policy) if policy else None)

    def _session(self, policy: str) -> Policy:
        """Return a session policy; what a front door calls objects of the access point is what AWS calls them."""
        objects = f"arn:aws:s3::{self.account_id}:accesspoint/{self.access_point}/object/"
        return Policy(json.loads(policy.replace(f"arn:aws:s3:::{self.access_point}/", objects))["Statement"])


def token(role: str, policy: str = "") -> str:
    """Return the session token of a role, narrowed by a session policy if there is one."""
    said = {"role": role, "policy": policy}
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode()


def declared(text: str, *, environment: str, account_id: str, sender: str) -> str:
    """Return what the CDK app would declare for another environment than the one of `roles.json`."""
    its = json.loads(text)
    for old, new in (
        (its["account"], account_id),
        (f"baton-{its['environment']}", f"baton-{environment}"),
        (its["sender"], sender),
        (its["sender"].rpartition("@")[2], sender.rpartition("@")[2]),
    ):
        text = text.replace(old, new)
    return text


def _role(name: str, account_id: str, written: Mapping[str, Any]) -> Role:
    arn = f"arn:aws:iam::{account_id}:role/{name}"
    return Role(name, arn, Policy(written["allowed"]), tuple(_trusted(each, arn) for each in written["trust"]))


def _trusted(statement: Mapping[str, Any], arn: str) -> tuple[frozenset[str], Policy]:
    principal: str | Mapping[str, str | Sequence[str]] = statement["Principal"]
    written = [principal] if isinstance(principal, str) else list(principal.values())
    named = frozenset(name for each in written for name in listed(each if isinstance(each, str) else list(each)))
    return named, Policy([{**statement, "Resource": arn}])
