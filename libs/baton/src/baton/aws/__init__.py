"""Adapters: every port on AWS. The only package that uses the SDK; errors of the SDK are translated here."""

from baton.aws.adapters import Aws, EmulatorEndpoints
from baton.aws.sdk.clock import SystemClock

__all__ = ["Aws", "EmulatorEndpoints", "SystemClock"]
