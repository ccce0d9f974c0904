"""The walkthrough's pages."""

from django.urls import path

from walkthrough.views import chapters, events, exercises, flow, home, lab, mystery, page

app_name = "walkthrough"
urlpatterns = [
    path("", home.home, name="home"),
    path("side-by-side/", page.page, name="page"),
    path("live/", page.live, name="live"),
    path("register/", page.register, name="register"),
    path("users/<uuid:user_id>/suspend/", page.suspend, name="suspend"),
    path("users/<uuid:user_id>/reactivate/", page.reactivate, name="reactivate"),
    path("users/<uuid:user_id>/erase/", page.erase, name="erase"),
    path("chapters/", home.chapters, name="chapters"),
    path("chapters/<int:number>/", chapters.chapter, name="chapter"),
    path("chapters/<int:number>/play/<slug:step>/", chapters.play, name="play"),
    path("chapters/<int:number>/now/", chapters.steps, name="now"),
    path("playing/", chapters.bar, name="playing"),
    path("flow/", flow.flow, name="flow"),
    path("flow/<slug:part>/", flow.source, name="flow-source"),
    path("glossary/", flow.glossary_page, name="glossary"),
    path("exercises/", exercises.exercises, name="exercises"),
    path("exercises/<int:number>/", exercises.exercise, name="exercise"),
    path("exercises/<int:number>/check/", exercises.check, name="exercise-check"),
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
