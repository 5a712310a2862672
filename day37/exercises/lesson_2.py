"""Lesson 2's exercises."""

EXERCISES = {}
