"""Request and reply schemas over HTTP: OpenAI's API, its stream events and errors, and ours."""
