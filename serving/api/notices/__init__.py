"""Notices over HTTP: tickets, the event stream and the WebSocket."""
