"""The one Django app of the product."""

from django.apps import AppConfig


class PoliciesConfig(AppConfig):
    name = "policies"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Models of other apps are there from here on.
        from policies.web.sign_in import receivers, sessions  # noqa: F401
