"""The database: its URL, lock, engine, migrations, tables and failures. SQL stands in ``repository`` alone.

Imports settings, problems, formatting and ``lock_file``.
"""
