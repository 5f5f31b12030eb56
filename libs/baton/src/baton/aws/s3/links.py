"""Signs download links for the Multi-Region Access Point."""

import json
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aiobotocore.credentials import AioCredentials

from baton.aws.sdk.clients import S3, STS
from baton.aws.sdk.failures import translated
from baton.errors import Unavailable
from baton.ports.clock import Clock
from baton.ports.links import LINK_LIFE, Link

if TYPE_CHECKING:
    from types_aiobotocore_sts.type_defs import CredentialsTypeDef

_LIFE_SECONDS: Final = int(LINK_LIFE.total_seconds())


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """Where links lead to, and which role they borrow."""

    role_arn: str
    bucket: str
    """ARN of the access point, or its name at a local front door."""
    readable: Sequence[str]
    """ARN prefixes of an object: through the access point, and in each bucket behind it. Both are checked by S3."""


class StsLinks:
    """Signs links with credentials taken for this one link and this one key.

    Link and credentials end together: STS gives `LINK_LIFE`, the whole seconds that remain of it when the link is
    signed go into the link, and `expires_at` is the earlier end. So a link lives as long less the moment in between.
    """

    def __init__(self, sts: STS, signer: S3, *, target: LinkTarget, clock: Clock) -> None:
        """Take a client of STS, and one of S3 that only signs: it is this object's own, no request goes out by it."""
        self._sts = sts
        self._signer = signer
        self._target = target
        self._clock = clock

    @translated()
    async def sign(self, key: str) -> Link:
        credentials = await self._credentials(key)
        # A signature's date has no fraction of a second.
        signed_at = self._clock.now().replace(microsecond=0)
        remaining_seconds = int((credentials["Expiration"] - signed_at).total_seconds())
        if remaining_seconds <= 0:
            raise Unavailable(
                f"credentials taken at {signed_at} ended at {credentials['Expiration']}: a clock is wrong"
            )
        life_seconds = min(_LIFE_SECONDS, remaining_seconds)
        url = await self._presign(key, credentials, life_seconds)
        return Link(url, min(credentials["Expiration"], signed_at + timedelta(seconds=life_seconds)))

    async def _credentials(self, key: str) -> "CredentialsTypeDef":
        sts = await self._sts()
        answer = await sts.assume_role(
            RoleArn=self._target.role_arn,
            RoleSessionName="baton-link",
            DurationSeconds=_LIFE_SECONDS,
            Policy=session_policy(self._target.readable, key),
        )
        return answer["Credentials"]

    async def _presign(self, key: str, credentials: "CredentialsTypeDef", life_seconds: int) -> str:
        client = await self._signer()
        # One client for all links: to make one takes ten times as long as to sign.
        client.meta.events.register("before-sign.s3.GetObject", _lend, unique_id="baton-link")
        _lent.set(
            AioCredentials(
                credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"], method="link"
            )
        )
        return await client.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._target.bucket,
                "Key": key,
                "ResponseContentDisposition": f"attachment; filename*=UTF-8''{quote(PurePosixPath(key).name)}",
            },
            ExpiresIn=life_seconds,
        )


_lent: Final = ContextVar[AioCredentials]("lent")
"""What this task signs with: each task has its own, however many sign at once."""


def _lend(request: Any, **_: object) -> None:
    signing: dict[str, Any] = request.context.setdefault("signing", {})
    signing["request_credentials"] = _lent.get()


def session_policy(prefixes: Sequence[str], key: str) -> str:
    """Return the policy that narrows a session to reading this one key below each prefix.

    A session may do what this and its role both allow. So this names KMS as well, without which no encrypted object can
    be read; the role says which keys, and through which service.
    """
    # Between braces after a dollar, a policy takes none of these for a wildcard or a variable.
    literal = "".join(f"${{{char}}}" if char in "$*?" else char for char in key)
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": [prefix + literal for prefix in prefixes]}
    decrypt = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [read, decrypt]})
