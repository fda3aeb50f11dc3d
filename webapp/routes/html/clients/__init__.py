"""Pages and forms about clients: those that are known, simulated clients, and what adds a client."""
