"""What the mail room does with events."""

from messaging.consumer import Handler
from tests.adoption.mail_room2.caches import BadgeFacts, PersonFacts, apply_badges, apply_people

HANDLERS = {
    "accounts.auth_user2.changed.v1": Handler(reads=PersonFacts, apply=apply_people),
    "accounts.badge.changed.v1": Handler(reads=BadgeFacts, apply=apply_badges),
}
