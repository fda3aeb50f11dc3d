"""Helpers of the tests: real processes, servers, databases and light clients; no tests."""
