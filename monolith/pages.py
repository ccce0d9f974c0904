"""The monolith's page for people, `/monolith/`."""

from django.urls import path

from monolith import views

app_name = "monolith"
urlpatterns = [path("", views.page, name="page")]
