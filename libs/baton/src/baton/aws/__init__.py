"""Adapters: every port on AWS. The only package that uses the SDK; errors of the SDK are translated here."""

from baton.aws.adapters import Aws, Endpoints
from baton.aws.sdk.clock import SystemClock

__all__ = ["Aws", "Endpoints", "SystemClock"]
