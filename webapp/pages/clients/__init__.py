"""What the list of clients and a client's page show. Imports what ``pages`` may."""
