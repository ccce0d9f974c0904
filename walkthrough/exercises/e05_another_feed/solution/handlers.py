"""Billing's reactions to events about teams. This file is complete."""

from collections.abc import Sequence

from caches import TeamFacts, apply_teams

from messaging.consumer import Event, Handler, Upserted


def apply_team_changes(events: Sequence[Event]) -> Upserted:
    """Move the copy of teams forward to the state in these events."""
    return apply_teams(events, "event")


HANDLERS = {"users.team.changed.v1": Handler(reads=TeamFacts, apply=apply_team_changes)}
