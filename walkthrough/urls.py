"""The walkthrough's pages."""

from django.urls import path

from walkthrough.views import chapters, events, lab, mystery, page

app_name = "walkthrough"
urlpatterns = [
    path("", page.page, name="page"),
    path("live/", page.live, name="live"),
    path("register/", page.register, name="register"),
    path("users/<uuid:user_id>/suspend/", page.suspend, name="suspend"),
    path("users/<uuid:user_id>/reactivate/", page.reactivate, name="reactivate"),
    path("users/<uuid:user_id>/erase/", page.erase, name="erase"),
    path("chapters/<int:number>/", chapters.chapter, name="chapter"),
    path("chapters/<int:number>/play/<slug:step>/", chapters.play, name="play"),
    path("chapters/<int:number>/now/", chapters.steps, name="now"),
    path("playing/", chapters.bar, name="playing"),
    path("events/", events.events, name="events"),
    path("mystery/", mystery.mystery, name="mystery"),
    path("mystery/now/", mystery.now, name="mystery-now"),
    path("mystery/numbers/", mystery.numbers, name="mystery-numbers"),
    path("mystery/<slug:what>/", mystery.act, name="mystery-act"),
    path("lab/", lab.lab, name="lab"),
    path("lab/live/", lab.live, name="lab-live"),
    path("lab/<slug:kind>/<slug:name>/", lab.act, name="lab-act"),
    path("lab/<slug:kind>/<slug:name>/<slug:what>/", lab.act, name="lab-switch"),
]
