"""Figures and controls: thin faces on results."""
