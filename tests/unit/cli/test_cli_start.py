"""What the command line loads before it knows what is asked."""

import subprocess
import sys


def test_the_command_line_starts_without_what_few_commands_need() -> None:
    costly = ("numpy", "polars", "boto3", "aiobotocore", "starlette")
    script = f"import sys, baton_cli.main; print([name for name in {costly} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter

    assert done.stdout == "[]\n"
