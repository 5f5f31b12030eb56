"""Options that several commands share."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Answer with JSON, for scripts.")]
BatchName = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The batch: its id, the first digits of it (4 or more), or 'last'.", show_default=False
    ),
]
TimeoutSeconds = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", min=0, help="Stop watching after this time; the batch continues."),
]
