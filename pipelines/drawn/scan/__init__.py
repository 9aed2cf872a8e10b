"""Volumes of bodies."""
