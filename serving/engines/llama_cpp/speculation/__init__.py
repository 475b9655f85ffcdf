"""Draft tokens that the model confirms several a step."""
