"""Tests mirror the source; acceptance/ walks whole paths on real servers."""
