"""Entry point: `python -m baton_cli` runs `baton`."""

import sys


def main() -> None:
    """Run the command. What it is made of takes a second to import, in which Ctrl-C is no error either."""
    try:
        from baton_cli.main import app  # noqa: PLC0415 - see above
    except KeyboardInterrupt:
        sys.stderr.write("interrupted before anything was done\n")
        sys.exit(130)
    app(prog_name="baton")


if __name__ == "__main__":
    main()
