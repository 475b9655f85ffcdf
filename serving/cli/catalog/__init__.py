"""Commands about models, versions and their cards."""
