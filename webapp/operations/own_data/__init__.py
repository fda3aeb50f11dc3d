"""Data of clients' own: what a client tells of it, how clients compare, statistics over all of them."""
