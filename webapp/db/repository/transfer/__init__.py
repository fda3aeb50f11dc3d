"""Whole runs, row by row: read for an export, written for an import. Imports ``tables`` and its neighbours."""
