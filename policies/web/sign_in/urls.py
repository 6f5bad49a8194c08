"""The addresses of allauth's pages, under the names by which allauth finds them.

A page that is not listed cannot be reached: no sign-up, no e-mail, no password reset, no connecting of accounts.
"""

from allauth.account import views as account
from django.contrib.auth.decorators import login_required
from django.urls import path

from policies.web.sign_in import provider_views, views
from policies.web.views import account as own
from secprof_site.sign_in import PROVIDER_ID

_PROVIDER = {"provider_id": PROVIDER_ID}

urlpatterns = [
    path("login/", views.sign_in, name="account_login"),
    path("login/passkey/", views.sign_in_by_passkey, name="mfa_login_webauthn"),
    path("login/second-factor/", views.give_factor, name="mfa_authenticate"),
    path("login/oidc/", provider_views.leave, _PROVIDER, name="openid_connect_login"),
    path("login/oidc/callback/", provider_views.arrive, _PROVIDER, name="openid_connect_callback"),
    path("logout/", own.logout, name="account_logout"),
    path("account/", views.security, name="mfa_index"),
    path("account/confirm/", views.confirm, name="mfa_reauthenticate"),
    path("account/confirm/passkey/", views.confirm_by_passkey, name="mfa_reauthenticate_webauthn"),
    path("account/confirm/password/", views.confirm_by_password, name="account_reauthenticate"),
    path(
        "account/password/",
        login_required(account.password_change),
        name="account_change_password",
    ),
    # Who has no password signs in by the provider; giving them one would be a second way in.
    path("account/password/none/", login_required(views.to_security), name="account_set_password"),
    path("account/app/add/", views.add_app, name="mfa_activate_totp"),
    path("account/app/remove/", views.remove_app, name="mfa_deactivate_totp"),
    path("account/passkeys/", login_required(views.to_security), name="mfa_list_webauthn"),
    path("account/passkeys/add/", views.add_passkey, name="mfa_add_webauthn"),
    path("account/passkeys/<int:pk>/rename/", views.rename_passkey, name="mfa_edit_webauthn"),
    path("account/passkeys/<int:pk>/remove/", views.remove_passkey, name="mfa_remove_webauthn"),
    path("account/recovery-codes/", views.codes, name="mfa_view_recovery_codes"),
    path("account/recovery-codes/make/", views.make_codes, name="mfa_generate_recovery_codes"),
]
