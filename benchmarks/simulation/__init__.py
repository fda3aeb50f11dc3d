"""What simulated clients cost: from one press to the first round, a thousand of them, a client's share of a round."""
