"""What our servers ask of a request before they read it: a credential, and a page that may ask."""
