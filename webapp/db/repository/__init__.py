"""All SQL statements, by table. The functions take a session and never commit: ``Database.write`` does."""
