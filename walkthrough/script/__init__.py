"""A chapter as it is written and played: its texts and steps, the stage, the player, and the transcript of what a step showed."""
