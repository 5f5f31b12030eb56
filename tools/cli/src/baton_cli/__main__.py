"""`python -m baton_cli` is `baton`."""

from baton_cli.main import app

app(prog_name="baton")
