"""What the provider claims about its people: whatever the file says, beside their name."""

import json
from typing import Any

from django.conf import settings
from oauth2_provider.oauth2_validators import OAuth2Validator


class Claims(OAuth2Validator):
    """Adds the claims of the file to id_token and userinfo."""

    # Every claim, whatever scopes were asked for.
    oidc_claim_scope = None

    def get_additional_claims(self, request: Any) -> dict[str, Any]:
        name = request.user.get_username()
        told = json.loads(settings.PEOPLE.read_text())[name]
        return {"preferred_username": name, **told}

    def get_id_token_dictionary(self, token: Any, token_handler: Any, request: Any) -> Any:
        claims, expires_at = super().get_id_token_dictionary(token, token_handler, request)
        told = self.get_additional_claims(request)
        # The standard ones are added last; a test may want others.
        claims.update({name: told[name] for name in ("iss", "exp", "auth_time") if name in told})
        return claims, expires_at
