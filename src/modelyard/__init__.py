"""Modelyard: the folders of the repository, installed as one package (docs/decisions/0024)."""
