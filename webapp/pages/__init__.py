"""What pages show: rows of the repository and live clients put in words and shapes. Knows no markup.

Imports ``parts``, ``operations``, ``charts`` and what lies below them.
"""
