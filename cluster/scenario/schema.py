"""The JSON schema of scenario files, for editors that complete and check TOML."""

from __future__ import annotations

from typing import Any

from cluster.scenario.tables import ScenarioTable


def schema() -> dict[str, Any]:
    """The schema of a scenario *file*: as the tables', but nothing of ``[machine]`` is required, for a preset may give it."""
    found = ScenarioTable.model_json_schema()
    found["required"] = ["workload"]
    found["$defs"]["MachineTable"].pop("required", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "shootdown scenario", **found}
