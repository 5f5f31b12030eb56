"""Judges single calls: who the caller is, what the call needs, and whether role, session and bucket allow it."""

from collections.abc import Sequence
from typing import Final

from baton_local.locks import requests
from baton_local.locks.policies import Need, Policy, evaluate
from baton_local.locks.requests import EmulatorPlace, Request, UnknownRequest
from baton_local.locks.roles import Caller, MayNotAssume, Roles, UnknownToken, token

IN_HEADER: Final = "x-amz-security-token"
IN_LINK: Final = "X-Amz-Security-Token"
"""Where a call has the token of its session: in a header, or in the query of a signed link."""
_OWNER: Final = Policy([{"Effect": "Allow", "Action": "*", "Resource": "*"}])
_S3: Final = "s3"
_STS: Final = "sts"


class AccessDenied(Exception):
    """AWS would refuse the call. The text is its message."""

    def __init__(self, service: str, action: str, message: str) -> None:
        super().__init__(message)
        self.service = service
        self.action = action


class Guard:
    """Judges the calls that one emulator gets. Every method may raise `AccessDenied`."""

    def __init__(self, roles: Roles, place: EmulatorPlace) -> None:
        self._roles = roles
        self._place = place

    def caller(self, request: Request) -> Caller | None:
        """Return the caller; None: the account's owner, as the command line is, whose requests have no token."""
        text = request.headers.get(IN_HEADER) or request.query.get(IN_LINK)
        if not text:
            return None
        try:
            return self._roles.caller(text)
        except UnknownToken as error:
            message = "The security token included in the request is invalid."
            raise AccessDenied(request.service, "", message) from error

    def judge(self, request: Request, caller: Caller | None) -> str:
        """Return the token of the session that the call makes, if it makes one."""
        if self._is_free(request, caller):
            return ""
        for need in self._needs(request, caller):
            self._grant(need, request, caller)
        return self._session(request, caller) if request.service == _STS else ""

    def tell_missing(self, request: Request, caller: Caller | None) -> None:
        """Judge whether the caller may be told that an object is not there."""
        if not self._is_free(request, caller):
            for need in requests.listing(request, self._place):
                self._grant(need, request, caller)

    def _is_free(self, request: Request, caller: Caller | None) -> bool:
        """Return whether there is nothing to judge.

        By the access point's name an emulator only checks the signature of a link; the front door asks a Region for the
        object. The owner may do everything but what a bucket's policy denies.
        """
        bucket = request.path.removeprefix("/").partition("/")[0]
        if request.service != _S3:
            return caller is None and request.service != _STS
        return bucket == self._place.access_point or (caller is None and bucket not in self._roles.buckets)

    def _needs(self, request: Request, caller: Caller | None) -> Sequence[Need]:
        try:
            if caller and caller.role.is_of_replication:
                return requests.needs_of_replication(request, self._place)
            return requests.needs(request, self._place, caller.region if caller else "")
        except UnknownRequest as error:
            if caller is None:
                return ()
            raise AccessDenied(
                request.service, "", f"The local world does not know which permission this call needs: {error}."
            ) from error

    def _grant(self, need: Need, request: Request, caller: Caller | None) -> None:
        bucket = self._roles.buckets.get(need.resource.removeprefix("arn:aws:s3:::").partition("/")[0])
        role, session = (caller.role.policy, caller.session) if caller else (_OWNER, None)
        decision = evaluate(need, role, session, bucket)
        if not decision.is_allowed:
            what = f"perform: {need.action} on resource: {need.resource} {decision.reason}"
            raise AccessDenied(request.service, need.action, f"User: {self._name(caller)} is not authorized to {what}")

    def _name(self, caller: Caller | None) -> str:
        account = self._place.account_id
        return f"arn:aws:sts::{account}:assumed-role/{caller.role.name}/local" if caller else _root(account)

    def _session(self, request: Request, caller: Caller | None) -> str:
        asked = request.form()
        if asked.get("Action") != "AssumeRole":
            return ""
        try:
            role = self._roles.assume(asked["RoleArn"], caller.role if caller else None)
        except MayNotAssume as error:
            message = f"User: {self._name(caller)} is not authorized to perform: sts:AssumeRole on resource: {error}"
            raise AccessDenied(_STS, "sts:AssumeRole", message) from error
        return token(role.name, asked.get("Policy", ""))


def _root(account_id: str) -> str:
    return f"arn:aws:iam::{account_id}:root"
