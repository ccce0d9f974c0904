"""The lab: one live page that shows the path of a change, with switches that break it and buttons that repair it."""
