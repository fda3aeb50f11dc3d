"""The work of a client with data of its own: it trains the networks of Meadow on them, as a run's clients agreed."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from federation.learning.client_app import Work, work_of
from federation.learning.data.datasets import Part
from federation.learning.data.own.own_data import OwnData
from federation.learning.keras_backend import load_keras
from federation.learning.synthetic import SyntheticLearner
from federation.learning.training.keras_learner import Config, KerasLearner
from federation.schema.columns import AgreedSchema
from federation.schema.statistics import StatisticsQuestion


def own_work(data: OwnData, name: str, number: int = 0) -> Work:
    """Return the work of a client whose data runs ask for by ``name``; ``number`` is its own part of the seed.

    Its description tells the schema of the data, and no path.
    """
    schema = data.schema
    about = {
        "dataset": name, "samples": len(data), "source": schema.form, "shares_labels": False,
        "schema": schema.model_dump(mode="json", exclude_none=True),
    }  # fmt: skip
    synthetic = SyntheticLearner(number, holds_data=True)
    keras = KerasLearner(_parts_of(data, name), number, data.shares_test_counts)
    work = work_of(lambda config: synthetic if config["network"] == "synthetic" else keras, load_keras, about)

    def prepare(config: Config) -> Config:
        """Answer the question of a statistics run, else prepare to train."""
        if not isinstance(question := config.get("statistics"), str):
            return work.prepare(config)
        return {"statistics": data.histograms(StatisticsQuestion.model_validate_json(question))}

    return replace(work, prepare=prepare)


def _parts_of(data: OwnData, name: str) -> Callable[[Config], Part]:
    """Return what encodes and holds out the samples as a run's config asks; those of the last run are kept."""

    @lru_cache(maxsize=1)
    def encode(agreed: str, seed: int) -> Part:
        return data.part(AgreedSchema.model_validate_json(agreed), seed)

    def part(config: Config) -> Part:
        if (needed := config.get("dataset", name)) != name:
            raise ValueError(f"holds {name}, the run needs {needed}")
        if not isinstance(agreed := config.get("schema"), str):
            raise ValueError(f"holds {name}, for which a run needs a schema that its clients have agreed on")
        return encode(agreed, config.get("data_seed", config["seed"]))

    return part
