"""Lesson 3: ways to train faster, each with every loss of lesson 1's loop."""

from day37.faster.one_function import one_function

__all__ = ["one_function"]
