"""The walkthrough's pages."""

from django.urls import path

from walkthrough import views

app_name = "walkthrough"
urlpatterns = [
    path("", views.page, name="page"),
    path("live/", views.live, name="live"),
    path("register/", views.register, name="register"),
    path("users/<uuid:user_id>/suspend/", views.suspend, name="suspend"),
    path("users/<uuid:user_id>/reactivate/", views.reactivate, name="reactivate"),
    path("users/<uuid:user_id>/erase/", views.erase, name="erase"),
]
