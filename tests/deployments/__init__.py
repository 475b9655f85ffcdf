"""Tests of the deployments: the bundled Hub and its model."""
