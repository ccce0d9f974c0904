"""What your tests import: deliver recorded events without a broker, and check what was recorded and what consumers read."""

from messaging.testing.contracts import assert_contract
from messaging.testing.delivery import Delivery, deliver, delivered
from messaging.testing.recording import assert_recorded, recorded

__all__ = ["Delivery", "assert_contract", "assert_recorded", "deliver", "delivered", "recorded"]
