"""Slices of heads."""
