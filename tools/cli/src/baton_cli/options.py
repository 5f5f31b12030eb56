"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer


def no_pipe(path: Path | None) -> Path | None:
    """Refuse `-`, which means a pipe elsewhere: files are read and written as a whole."""
    if path == Path("-"):
        raise typer.BadParameter("a pipe is not accepted: name a file")
    return path


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
