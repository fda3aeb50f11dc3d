"""What pages show of statistics of clients' own data. Imports what ``pages`` may."""
