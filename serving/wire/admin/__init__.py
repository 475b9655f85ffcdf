"""Shapes of Modelyard's own API."""
