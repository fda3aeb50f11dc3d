"""Sign-in with an OpenID provider: its HTTP, the check of its id token, the sign-ins under way, the account.

Imports what ``accounts`` may.
"""
