"""The ``Spec`` of a run: that of the published data set that it names, or of the schema that its clients agreed on."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from federation.learning.data.catalogue import CLASSES, SHAPES
from federation.schema.columns import AgreedSchema
from federation.schema.spec import Spec


def published_spec(dataset: str) -> Spec:
    """Return the spec of a published data set; raises ValueError for another name."""
    shape = SHAPES.get(dataset)
    if shape is None:
        raise ValueError(f"There is no published dataset {dataset}: choose one of {', '.join(SHAPES)}.")
    return Spec.of_classes(shape, CLASSES)


def spec_of(config: Mapping[str, Any]) -> Spec:
    """Return the spec of a run's configuration or of a task's config; raises ValueError without one."""
    schema = schema_of(config)
    return published_spec(config["dataset"]) if schema is None else Spec.agreed(schema)


class Unit(NamedTuple):
    """A target that is a number is trained as (value - mean) / deviation."""

    mean: float = 0.0
    deviation: float = 1.0


def unit_of(config: Mapping[str, Any]) -> Unit:
    """Return the unit of the target in a config."""
    schema = schema_of(config)
    return Unit() if schema is None else Unit(schema.target_mean, schema.target_deviation)


def schema_of(config: Mapping[str, Any]) -> AgreedSchema | None:
    """Return the agreed schema in a config, as an object or as its JSON; None for a published data set."""
    schema = config.get("schema")
    if schema is None or isinstance(schema, AgreedSchema):
        return schema
    if isinstance(schema, str):
        return _parsed(schema)
    return AgreedSchema.model_validate(schema)


@lru_cache(maxsize=4)
def _parsed(schema: str) -> AgreedSchema:
    """Read a schema once for all tasks of a run: it may have thousands of columns."""
    return AgreedSchema.model_validate_json(schema)
