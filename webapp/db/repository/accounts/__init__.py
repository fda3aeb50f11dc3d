"""SQL of accounts: people, sessions in browsers, API tokens."""
