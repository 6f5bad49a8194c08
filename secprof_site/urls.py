"""The root of all addresses: everything belongs to `policies.web`."""

from django.urls import include, path

urlpatterns = [
    path("", include("policies.web.urls")),
    path("", include("policies.web.sign_in.urls")),
]
