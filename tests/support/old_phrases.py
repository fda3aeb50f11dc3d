"""Phrases that no text for people holds, because Flower has a term for each."""

import re

PHRASES = (
    r"fewest clients|share in each round|drawn anew|evenly|skew: dirichlet|local epochs a round",
    r"unusual length|are shortened|count as they are|times the median of|largest share of one",
    r"largest reply|replies on their way|most times|how many clients may lie|eta l|num malicious",
    r"what is learned|how it is learned|who takes part|who would take part|also one that|only these",
    r"left out|leave out|leaves out|let it in|let it start|let it run|lets? in|shut out|keep it\b",
    r"start again with changes|put in the queue|is to go on|run goes on|pause is asked|asked for|was asked|is asked",
    r"gathering clients|round \d+ committed|took part|refused by a check|lately|second by second|clients by round",
    r"what happened|clients from|by people|for people|client's words|measured in:|results told",
    r"spread of clients|logarithmic loss|darker band|the same axes|green and bold|falls a tenth",
    r"settings that differ|choose runs|\d+ chosen|a round sends|up \+ down|but not for this run|runs no app of its own",
    r"samples to test|shape of one|calls itself|its last accuracy|runs it was asked|mean then|is here|are here",
    r"waits for work|has not begun|waits for a task|waits for the others|well and idle|nothing is asked",
    r"why nothing happens|at work|up for\b|least that is logged|disk of the data|asks first|take part at once",
    r"says hello|parted by|lines stay|there is nothing here|keeps what it had|blades?\b|sward|roster",
    r"so many|at most so|nobody|somebody|whoever|put aside|given up|gives up|in the way|is gone|are gone|goes on",
)
FORBIDDEN = re.compile(r"\b(?:" + "|".join(PHRASES) + ")", re.IGNORECASE)


def found_in(text: str) -> list[str]:
    """Return the forbidden phrases of a text with the words around them."""
    joined = " ".join(text.split())
    return [joined[max(0, found.start() - 30) : found.end() + 30] for found in FORBIDDEN.finditer(joined)]
