"""Every port on AWS, and the only package that knows the SDK. Errors of the SDK end here."""

from baton.aws.clock import SystemClock
from baton.aws.world import Aws, Endpoints

__all__ = ["Aws", "Endpoints", "SystemClock"]
