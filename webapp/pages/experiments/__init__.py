"""What the pages of experiments show: their list, and one with its results. Imports what ``pages`` may."""
