"""The dashboard's pages; they talk only to the gateway, over HTTP."""
