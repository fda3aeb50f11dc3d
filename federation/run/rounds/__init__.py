"""What a run decides from round to round, by its configuration. Pure: no client, no store, no clock but a given one."""
