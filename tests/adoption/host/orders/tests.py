"""The host's own tests."""

from django.contrib.auth.models import User
from django.test import TestCase


class SignUp(TestCase):
    """They know nothing of messaging."""

    def test_a_user_signs_up(self) -> None:
        self.assertEqual(self.client.post("/sign-up/", {"name": "ada"}).status_code, 200)
        self.assertEqual(User.objects.get().username, "ada")

    def test_a_refused_user_leaves_nothing(self) -> None:
        with self.assertRaises(ValueError):
            self.client.post("/sign-up/", {"name": "refused"})
