"""What the list of runs and a run's page show. Imports what ``pages`` may."""
