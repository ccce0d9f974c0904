"""The picture of the flow from users to billing: its state from the tables and the supervisor, and its drawing."""
