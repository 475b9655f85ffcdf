"""The endpoints of models, as plain ASGI apps."""
