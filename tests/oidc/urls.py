"""The provider's addresses; only for its process."""

from django.contrib.auth.views import LoginView
from django.urls import include, path

urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("people/login/", LoginView.as_view(template_name="oidc_provider/login.html")),
]
