"""The lessons' exercises: what is asked for, and the checks that answer at once."""
