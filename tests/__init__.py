"""Tests: exact behaviour on tiny real objects, offline."""
