"""What your tests import: deliver events without a broker, check what was recorded and what consumers read, damage a copy."""

from messaging.testing.contracts import assert_contract
from messaging.testing.damage import plant_drift
from messaging.testing.delivery import Delivery, deliver, deliver_event, delivered
from messaging.testing.recording import assert_recorded, recorded

__all__ = ["Delivery", "assert_contract", "assert_recorded", "deliver", "deliver_event", "delivered", "plant_drift", "recorded"]
