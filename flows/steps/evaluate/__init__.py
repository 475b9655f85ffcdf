"""Measures a build's quality and checks it against bounds."""
