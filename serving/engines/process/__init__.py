"""The engine process: settings in, one model, an HTTP server."""
