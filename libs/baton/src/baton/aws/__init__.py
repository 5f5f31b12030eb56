"""Adapters: every port on AWS. The only package that uses the SDK; errors of the SDK are translated here."""

from baton.aws.adapters import Aws, EmulatorEndpoints
from baton.aws.s3.link_reader import HttpLinkReader
from baton.aws.sdk.clock import SystemClock

__all__ = ["Aws", "EmulatorEndpoints", "HttpLinkReader", "SystemClock"]
