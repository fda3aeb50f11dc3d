"""What Flower warns of stands on the run, once."""

import logging
from threading import Thread

from federation.aggregation.strategy_warnings import recorded_warnings
from federation.run.config import RunConfig
from federation.run.events import Event, RunNote


def test_a_warning_of_flower_is_a_note_of_the_run_and_not_repeated() -> None:
    found: list[Event] = []
    logger = logging.getLogger("flwr")
    with recorded_warnings(3, found.append):
        for _ in range(2):
            logger.warning("Bulyan needs\n%d replies", 7)
        logger.info("settings")
        (other := Thread(target=logger.warning, args=("of another run",))).start()
        other.join()
    logger.warning("after the run")
    assert found == [RunNote(3, "Flower warns: Bulyan needs 7 replies")]


def test_strategies_do_by_default_what_their_names_say() -> None:
    assert RunConfig(strategy="FedProx").full_strategy_options == {"proximal_mu": 0.1}
    assert RunConfig(strategy="FedAvgM").full_strategy_options["server_momentum"] == 0.9
