"""The order of requests to the supervisor, and the runs that are active, up to as many as may be at a time."""
