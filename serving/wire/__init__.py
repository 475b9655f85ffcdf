"""The shapes that cross HTTP: OpenAI's requests, replies, stream events and errors."""
