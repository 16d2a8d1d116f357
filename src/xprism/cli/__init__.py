"""The command line: one small file a command."""

from __future__ import annotations


def main() -> None:
    """Run the command line; errors that the user can mend are shown as a sentence, with exit code 2."""
    from xprism.cli.app import run

    run()
