"""Move a table's live rows to another owner, and back."""
