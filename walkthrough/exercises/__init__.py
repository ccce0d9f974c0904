"""Exercises: one for each of the chapters 1 to 10. Each folder has its text, the files with a gap, a solution and a check."""
