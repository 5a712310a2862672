"""Lesson 3: ways to train faster, each with every loss of lesson 1's loop.

`one_function` is for programs; a lesson meets all ways through `measure_speedups`.
"""

from day37.faster.one_function import one_function

__all__ = ["one_function"]
