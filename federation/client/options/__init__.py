"""The options of the client's command line, and what they mean together.

Imports ``protocol``, ``run`` and ``schema``, and of ``learning`` the options of own data.
"""
