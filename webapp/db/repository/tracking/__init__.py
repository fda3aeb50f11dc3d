"""What was sent to trackers of experiments. Imports ``tables`` and the other tables' queries."""
