"""``shootdown schema``: the JSON schema of scenario files."""

from __future__ import annotations

from cluster.cli.options import Json
from cluster.cli.output import print_json


def command(as_json: Json = False) -> None:
    """Print the JSON schema of scenario files (with or without --json)."""
    from cluster.scenario import schema

    print_json(schema())
