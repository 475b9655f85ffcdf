"""Checks of a request before a server reads its body: a credential, and the page's origin."""
