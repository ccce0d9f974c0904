"""The SQL that differs between databases, and what their errors mean."""
