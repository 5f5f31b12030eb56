"""Checks by SES, IAM, ECS and Service Quotas whether a Region could serve users after a takeover."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from baton.aws.sdk.failures import translated
from baton.ports.provisions import Headroom, MailProvision, TaskCounts

type Client = Callable[[], Awaitable[Any]]
"""Any: its stubs are none of our development dependencies."""

QUOTAS: Final[Mapping[str, str]] = {"fargate": "L-3032A538", "fargate-spot": "L-36FBB829"}
"""vCPUs that an account may use at once in a Region, by kind. Source: "AWS Fargate service quotas", Amazon ECS."""
_ALLOWED: Final = "allowed"
_UNLIMITED: Final = -1


@dataclass(frozen=True, slots=True)
class Asked:
    """What to ask for; what is empty is not asked for."""

    sender: str = ""
    """Address that mails come from."""
    role_arn: str = ""
    """Our own role."""
    rights: Mapping[str, Sequence[str]] | None = None
    """Actions of a switch, each with the resources that it turns."""
    cluster: str = ""
    services: Sequence[str] = ()
    """The cluster's services, ten at most."""
    vcpus: Mapping[str, float] | None = None
    """By kind of `QUOTAS`: what our services may grow to."""


class AwsProvisions:
    """One Region. All of it is read, nothing is tried: a change of the switch that changes nothing starts its wait."""

    def __init__(
        self, *, mail: Client, senders: Client, iam: Client, ecs: Client, quotas: Client, asked: Asked
    ) -> None:
        """`mail` is SES v2, which alone knows the account, `senders` v1, by which mails are sent."""
        self._mail = mail
        self._senders = senders
        self._iam = iam
        self._ecs = ecs
        self._quotas = quotas
        self._asked = asked

    @translated()
    async def mail(self) -> MailProvision | None:
        if not self._asked.sender:
            return None
        client = await self._mail()
        account = await client.get_account()
        quota = account.get("SendQuota", {})
        per_day = quota.get("Max24HourSend", 0)
        return MailProvision(
            verified=await self._verified(),
            sends=account.get("SendingEnabled", False),
            in_sandbox=not account.get("ProductionAccessEnabled", False),
            per_day=None if per_day == _UNLIMITED else per_day,
            sent=quota.get("SentLast24Hours", 0),
        )

    async def _verified(self) -> bool:
        """Return whether SES takes mails from the sender: his address is verified, or his domain."""
        client, sender = await self._senders(), self._asked.sender
        answer = await client.get_identity_verification_attributes(Identities=[sender, sender.rpartition("@")[2]])
        return any(each["VerificationStatus"] == "Success" for each in answer["VerificationAttributes"].values())

    @translated()
    async def denied(self) -> Sequence[str] | None:
        asked = self._asked
        if not asked.role_arn:
            return None
        client, denied = await self._iam(), list[str]()
        for action, resources in (asked.rights or {}).items():
            # One by one: the answer on several resources at once has one decision above all of theirs.
            decisions = [await self._decision(client, action, resource) for resource in resources]
            if any(decision != _ALLOWED for decision in decisions):
                denied.append(action)
        return denied

    async def _decision(self, client: Any, action: str, resource: str) -> str:
        answer = await client.simulate_principal_policy(
            PolicySourceArn=self._asked.role_arn, ActionNames=[action], ResourceArns=[resource]
        )
        return answer["EvaluationResults"][0]["EvalDecision"]

    @translated()
    async def tasks(self) -> Mapping[str, TaskCounts] | None:
        asked = self._asked
        if not asked.services:
            return None
        client = await self._ecs()
        answer = await client.describe_services(cluster=asked.cluster, services=list(asked.services))
        return {
            each["serviceName"]: TaskCounts(each["runningCount"], each["desiredCount"])
            for each in answer["services"]
            if each["status"] == "ACTIVE"
        }

    @translated()
    async def room(self) -> Mapping[str, Headroom] | None:
        if not self._asked.vcpus:
            return None
        client, found = await self._quotas(), dict[str, Headroom]()
        for kind, needed in self._asked.vcpus.items():
            answer = await client.get_service_quota(ServiceCode="fargate", QuotaCode=QUOTAS[kind])
            found[kind] = Headroom(vcpus_allowed=answer["Quota"]["Value"], vcpus_needed=needed)
        return found
