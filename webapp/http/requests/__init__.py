"""What is known of each request: its id, and its metrics. Imports what ``http`` may."""
