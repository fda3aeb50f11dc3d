"""Evaluation at the server: its queue, its child process, and what it computes."""
