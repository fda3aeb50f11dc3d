"""What people and runs do to the database and the supervisor: runs, steering, clients, records of events.

Imports ``db`` and what lies below it.
"""
