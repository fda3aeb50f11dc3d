"""Pages and forms about clients: those that are known, demo clients on this machine, and what adds a client."""
