"""Handlers of the API about clients: those that are known, simulated clients, and join codes."""
