"""The run of a Flower App: it waits for SuperNodes, starts the app's process, and records what passes.

Imports ``apps``, ``run`` and its neighbours that steer, wait and record; not the Flower server.
"""
