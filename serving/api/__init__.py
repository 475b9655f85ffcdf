"""The HTTP API: routes and middleware, which only translate between HTTP and the gateway."""
