"""Users by offset pages, one by one, as a list of ids and versions, and in full."""

from django.urls import path

from benchmarks.alternatives.pages import views

urlpatterns = [
    path("users/", views.Users.as_view()),
    path("users/<uuid:pk>/", views.OneUser.as_view()),
    path("versions/", views.versions),
    path("dump/", views.dump),
]
