"""A run on clients' own data: the schema that its clients agree on before round 0, and who does not fit it."""
