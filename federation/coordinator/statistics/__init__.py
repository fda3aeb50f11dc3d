"""The run that collects statistics of clients' own data: one question to those that share them, and their answers.

Imports its neighbours that wait and record, ``run`` and ``schema``.
"""
