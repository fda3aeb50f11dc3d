"""Every SQL statement, one module a table. Functions take a session and never commit: the edge does."""
