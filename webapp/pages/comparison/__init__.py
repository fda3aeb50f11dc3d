"""What the comparison of runs shows. Imports what ``pages`` may."""
