"""Web side of Meadow: HTTP, HTML and SQL. Trains nothing; asks the federation package for that."""
