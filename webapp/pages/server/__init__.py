"""What the Server page shows. Imports what ``pages`` may."""
