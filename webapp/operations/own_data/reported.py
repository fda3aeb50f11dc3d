"""What a client reports of its data, as two columns store it: a summary for every page, and the whole schema."""

from collections.abc import Mapping
from typing import Any

from webapp.sanitizing import clean_json


def reported_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns ``data``, with a summary of the schema, and ``data_schema`` of a client.

    The protocol has checked the schema, where there is one.
    """
    schema = data.get("schema")
    if not isinstance(schema, dict):
        return {"data": clean_json(data), "data_schema": None}
    summary = {
        "form": schema["form"], "task": schema["task"], "target": schema["target"], "rows": schema["rows"],
        "columns": len(schema["columns"]), "classes": len(schema["classes"]),
    }  # fmt: skip
    return {"data": clean_json({**data, "schema": summary}), "data_schema": schema}
