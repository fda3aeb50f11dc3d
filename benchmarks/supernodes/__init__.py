"""Stock SuperNodes under Meadow: the cost of a round, many on one machine, interruptions in the middle of messages."""
