"""Lesson 3's exercises."""

EXERCISES = {}
