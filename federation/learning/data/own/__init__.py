"""Data of a person's own: tables, folders of images and arrays, read and checked, and encoded as clients agreed.

Imports ``schema`` and, of ``learning``, ``data.formats`` and ``data.partitioning``; knows no server.
"""
