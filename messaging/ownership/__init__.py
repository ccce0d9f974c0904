"""Which context may write a table's rows, and how the other one copies them."""

from messaging.errors import MovedAway, Moving, NotYet
from messaging.ownership.follower import NOBODY, Follower
from messaging.ownership.ownership import follows, writing

__all__ = ["NOBODY", "Follower", "MovedAway", "Moving", "NotYet", "follows", "writing"]
