"""The root of all addresses: everything belongs to `policies.web`."""

from django.urls import include, path

urlpatterns = [
    path("", include("policies.web.urls")),
    path("", include("policies.web.sign_in.urls")),
]

handler400 = "policies.web.errors.bad_request"
handler403 = "policies.web.errors.not_allowed"
handler404 = "policies.web.errors.not_found"
handler500 = "policies.web.errors.broken"
