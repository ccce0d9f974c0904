"""The walkthrough wipes and falsifies, so it keeps its hands off whatever wasn't made up."""

import uuid

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import CachedUser, Invoice
from monolith import services as monolith
from tests.walkthrough.views.test_page import deliver
from users.models import User
from users.services import user_erase, user_register
from walkthrough.chapters import CHAPTERS
from walkthrough.control import demo_only, reset
from walkthrough.script import kept, player
from walkthrough.script.transcript import Check, Played

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def invoice(user_id: uuid.UUID) -> Invoice:
    return Invoice.objects.using("billing").create(
        user_id=user_id, period="2026-11", amount_minor=1, currency="EUR", user_version=1
    )


def real_user() -> None:
    user_register(email="ada@lovelace.co.uk", name="Ada")


def real_user_of_the_monolith() -> None:
    monolith.register(email="ada@lovelace.co.uk", name="Ada")


def a_user_without_an_address() -> None:
    User.objects.using("users").create(email="", name="Ada", status="active", status_since=timezone.now())


def an_invoice_of_nobody_here() -> None:
    invoice(uuid.uuid4())


REAL = [real_user, real_user_of_the_monolith, a_user_without_an_address, an_invoice_of_nobody_here]


@pytest.mark.parametrize("plant", REAL)
def test_what_was_not_made_up_is_refused_with_what_to_do(plant) -> None:  # type: ignore[no-untyped-def]
    demo_only.check()
    plant()
    with pytest.raises(demo_only.RealData, match="Give it its own databases"):
        demo_only.check()
    with pytest.raises(demo_only.RealData):
        reset.reset()


def test_made_up_erased_and_deleted_users_and_their_invoices_are_not_real() -> None:
    erased, deleted = (user_register(email=f"u{number}@example.org", name="U") for number in range(2))
    user_erase(user_id=erased.pk)
    for user in (erased, deleted):
        invoice(user.pk)
    User.objects.using("users").filter(pk=deleted.pk).delete()
    demo_only.check()


def test_no_step_is_played_on_real_data_though_the_stage_was_set_before() -> None:
    chapter = CHAPTERS[0]
    real_user()
    kept.FOLDER.mkdir(parents=True, exist_ok=True)
    kept.write(kept.FOLDER / "on-stage.json", {"chapter": chapter.number})
    staged = Played(player.SETTING, [Check("set", True)])
    kept.write(player._file(chapter), {"played": [staged.as_json()], "notes": {}})
    done = player.play(chapter, chapter.steps[0].name)
    assert "holds real e-mail addresses, so the walkthrough doesn't touch it" in done.error
    assert not done.entries


def test_the_lab_does_no_damage_to_real_data(client: Client) -> None:
    real_user()
    deliver("users", "billing")
    for act in ("damage/missing", "damage/silent", "fault/drop/on", "mend/everything"):
        html = client.post(f"/lab/{act}/", headers={"HX-Request": "true"}).content.decode()
        assert "holds real e-mail addresses, so the walkthrough doesn&#x27;t touch it" in html
    assert CachedUser.objects.using("billing").count() == 1
    assert User.objects.using("users").get().status == "active"
