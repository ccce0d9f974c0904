"""Which context may write a table's rows, and how the other one follows."""
