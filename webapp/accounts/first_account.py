"""What a start needs of accounts: the first one from a file with its password, and one at all where others can reach
the dashboard."""

from webapp.accounts.accounts import Accounts
from webapp.accounts.roles import Role
from webapp.problems import Problem
from webapp.settings import Settings, reachable_by_others

FIRST_NAME = "admin"


class AccountMissing(Exception):
    """The settings need an account, and there is none; the text says how to make one."""


def ensure_first_account(accounts: Accounts, settings: Settings) -> bool:
    """Create the first account where the settings name a file with its password; return whether it did.

    Raises AccountMissing.
    """
    if accounts.people.has_any():
        return False
    if settings.admin_password_file is not None:
        try:
            password = settings.admin_password_file.read_text("utf-8").rstrip("\r\n")
            accounts.people.add(FIRST_NAME, password, Role.ADMIN, only_first=True)
            return True
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            path = settings.admin_password_file
            raise AccountMissing(f"--admin-password-file {path} cannot be read: {why}.") from error
        except Problem as error:
            raise AccountMissing(f"--admin-password-file {settings.admin_password_file}: {error.words}") from error
    elif not settings.openid_issuer and (addresses := reachable_by_others(settings)):
        raise AccountMissing(
            f"{' and '.join(addresses)}: other machines can reach this address, and there is no account yet. Create "
            f"one with: python -m webapp users add NAME --role admin --data-dir {settings.data_dir} (it asks for a "
            "password), or set --admin-password-file or --openid-issuer."
        )
    return False
