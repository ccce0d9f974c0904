"""One consumer's copy of one authority: fill it, catch up, compare, repair, and say how fresh it is."""
