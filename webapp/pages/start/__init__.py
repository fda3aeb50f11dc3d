"""What the form that starts a run shows. Imports what ``pages`` may."""
