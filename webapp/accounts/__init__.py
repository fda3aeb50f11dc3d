"""Who may use the dashboard: people with roles, passwords, sessions in browsers, API tokens.

Knows no HTTP: ``routes`` gives it what a request brought and says what each role may do. Imports ``db`` and below.
"""
