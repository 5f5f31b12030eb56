"""Download links over the Multi-Region Access Point."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from baton.aws.clients import STS, new_client
from baton.aws.failures import translated
from baton.errors import Unavailable
from baton.ports.clock import Clock
from baton.ports.links import Link

if TYPE_CHECKING:
    from types_aiobotocore_sts.type_defs import CredentialsTypeDef

_LIFE_SECONDS: Final = 3_600
"""The most that STS gives to a role which assumes a role, as a container's does."""


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """Where links lead to, and which role they borrow."""

    role_arn: str
    bucket: str
    """ARN of the access point, which makes the SDK sign by SigV4A for any Region; or its name at a local front door."""
    readable: Sequence[str]
    """ARN prefixes of an object: through the access point, and in each bucket behind it. Both are checked by S3."""
    region: str
    endpoint_url: str | None
    """Of the local front door. None: the SDK knows where an ARN is."""


class StsLinks:
    """Signs links with credentials taken for this one link and this one key.

    Link and credentials end together: STS gives 3600 s, the whole seconds that remain of them when the link is signed
    go into it, and `expires_at` is the earlier end. So a link lives 60 minutes less the moment in between.
    """

    def __init__(self, sts: STS, session: AioSession, *, target: LinkTarget, clock: Clock) -> None:
        self._sts = sts
        self._session = session
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
        at_front_door = AioConfig(signature_version="s3v4", s3={"addressing_style": "path"})
        client_of_one_link = new_client(
            self._session,
            "s3",
            region_name=self._target.region,
            endpoint_url=self._target.endpoint_url,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            config=at_front_door if self._target.endpoint_url else AioConfig(),
        )
        async with client_of_one_link as client:
            return await client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self._target.bucket,
                    "Key": key,
                    "ResponseContentDisposition": f"attachment; filename*=UTF-8''{quote(PurePosixPath(key).name)}",
                },
                ExpiresIn=life_seconds,
            )


def session_policy(prefixes: Sequence[str], key: str) -> str:
    """Return the policy that narrows a session to reading this one key below each prefix."""
    # Between braces after a dollar, a policy takes none of these for a wildcard or a variable.
    literal = "".join(f"${{{char}}}" if char in "$*?" else char for char in key)
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": [prefix + literal for prefix in prefixes]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
