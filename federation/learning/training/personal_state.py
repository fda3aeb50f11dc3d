"""The personal layers of a client in the state of a run's Context, which lasts over rounds."""

import json
from hashlib import sha256

from flwr.app import ArrayRecord, RecordDict

from federation.learning.training.trainer import Trainer, Training

PREFIX = "personal-"


class PersonalState:
    """The weights of personal layers in a state, under a name that says of which network, inputs and seed they are.

    Runs of two servers may have one number: weights of another run are not found, and make room for those of this one.
    """

    def __init__(self, state: RecordDict, training: Training) -> None:
        self._state, self._is_used = state, bool(training.personal)
        spec, settings = training.spec.model_dump_json(), training.settings.model_dump_json()
        of = [training.network, spec, settings, training.personal, training.seed]
        self._name = PREFIX + sha256(json.dumps(of).encode()).hexdigest()[:32]

    @property
    def kept(self) -> ArrayRecord | None:
        """The weights that training left; None before the first."""
        return self._state.array_records.get(self._name) if self._is_used else None

    def keep(self, trainer: Trainer) -> None:
        """Put the weights of a trainer into the state, where the run has personal layers."""
        if self._is_used:
            for name in [name for name in self._state.array_records if name.startswith(PREFIX)]:
                del self._state[name]
            self._state[self._name] = trainer.personal_arrays()
