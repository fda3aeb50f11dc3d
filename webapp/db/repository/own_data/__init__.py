"""Schemas of data of clients' own."""
