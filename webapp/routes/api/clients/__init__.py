"""Handlers of the API about clients: those that are known, demo clients on this machine, and join codes."""
