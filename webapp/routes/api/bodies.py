"""What the bodies of the API's calls have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from federation.run.choices import refuse_many_entries


class StrictBody(BaseModel):
    """A body without unknown fields; values are not converted: a number as text is rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _has_few_entries(cls, body: Any) -> Any:
        return refuse_many_entries(body)
