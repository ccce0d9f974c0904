"""The lab: one live page that shows the whole way of a fact, with switches that break it and buttons that mend it."""
