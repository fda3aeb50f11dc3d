"""The experiment that a person asks for: settings of which any may be a list or a range, and seeds."""

import secrets
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from federation.run.choices import refuse_many_entries
from federation.run.config import RunConfig
from webapp.operations.experiments.expansion import MAX_RUNS, Expansion, Range, expand
from webapp.operations.run_requests import RunRequest
from webapp.problems import Invalid
from webapp.sanitizing import is_one_line

MAX_SEED = 2**31
SeedCount = Annotated[int, Field(ge=1, le=MAX_RUNS)]
Seeds = Annotated[list[Annotated[int, Field(ge=0, lt=MAX_SEED)]], Field(min_length=1, max_length=MAX_RUNS)]


def _describe(schema: dict[str, Any]) -> None:
    """Say of each setting of a run that it may be a value, a list of values, or a range."""
    run = RunRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    schema["properties"] = {
        name: {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_RUNS},
                         Range.model_json_schema()]}
        for name, one in run["properties"].items()
        if name != "seed"
    } | {"seed": run["properties"]["seed"]}  # fmt: skip
    schema["additionalProperties"] = False


class ExperimentRequest(BaseModel):
    """The body of POST /api/experiments. Every combination of the settings is run once for each seed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, str_strip_whitespace=True)

    name: str = Field("", max_length=100, description="Name of the experiment; empty: dataset and network.")
    config: dict[str, Any] = Field(
        default_factory=dict, max_length=200, json_schema_extra=_describe, examples=[{"learning_rate": [0.1, 0.01]}],
        description="Settings of a run. Any of them may be a list of values, or a range: from, to, and step or factor. "
        "Where seeds is a number, the setting seed is the first of them.",
    )  # fmt: skip
    seeds: SeedCount | Seeds = Field(
        1, description="How many seeds, or which; every configuration has the same.", examples=[5, [1, 2, 3]]
    )

    @model_validator(mode="before")
    @classmethod
    def _has_few_entries(cls, request: Any) -> Any:
        return refuse_many_entries(request)

    _config_has_few_entries = field_validator("config", mode="before")(refuse_many_entries)

    @field_validator("seeds", mode="after")
    @classmethod
    def _seeds_differ(cls, seeds: int | list[int]) -> int | list[int]:
        if isinstance(seeds, list) and len(set(seeds)) < len(seeds):
            raise ValueError("the same seed is given twice")
        return seeds

    def expanded(self) -> Expansion:
        """Return the configurations; raises Invalid where the request cannot be run, and names the setting."""
        if not is_one_line(self.name):
            raise Invalid("name", "must not contain control characters")
        expansion, seeds = expand(self.config), self.seed_count
        if (runs := len(expansion.configs) * seeds) > MAX_RUNS:
            raise Invalid("seeds", f"{len(expansion.configs):,} configurations × {seeds:,} seeds are {runs:,} runs: at "
                                   f"most {MAX_RUNS:,}")  # fmt: skip
        return expansion

    @property
    def seed_count(self) -> int:
        """How many runs each configuration has."""
        return self.seeds if isinstance(self.seeds, int) else len(self.seeds)

    def chosen_seeds(self, config: RunConfig) -> list[int]:
        """Return the seeds: those that are given, else so many from the first one on."""
        if isinstance(self.seeds, list):
            return self.seeds
        first = config.seed if "seed" in self.config else secrets.randbelow(MAX_SEED - self.seeds)
        return [(first + step) % MAX_SEED for step in range(self.seeds)]
