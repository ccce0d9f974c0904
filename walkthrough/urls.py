"""The walkthrough's pages."""

from django.urls import path

from walkthrough.views import chapters, events, exercises, lab, page

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
    path("exercises/", exercises.exercises, name="exercises"),
    path("exercises/<int:number>/", exercises.exercise, name="exercise"),
    path("exercises/<int:number>/check/", exercises.check, name="exercise-check"),
    path("events/", events.events, name="events"),
    path("lab/", lab.lab, name="lab"),
    path("lab/live/", lab.live, name="lab-live"),
    path("lab/<slug:kind>/<slug:name>/", lab.act, name="lab-act"),
    path("lab/<slug:kind>/<slug:name>/<slug:what>/", lab.act, name="lab-switch"),
]
