"""Queries of the audit log. Imports the tables and the hash of an entry."""
