"""Notifications: which events of runs and clients are told, to which channels, and how they are sent.

An event's notifications are queued in the transaction of the event; a thread sends them, and tries again.
"""
