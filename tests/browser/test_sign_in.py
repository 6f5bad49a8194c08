"""Signing in with Chromium: authenticator app, passkeys, the confirmation before a decision, and the provider."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, CDPSession, ConsoleMessage, Page, expect

from tests.browser.people import _CSP_WATCH, PATIENCE_MS
from tests.browser.site import serving
from tests.browser.survey import Survey
from tests.oidc.provider import PASSWORD as PROVIDER_PASSWORD
from tests.oidc.running import Provider

pytestmark = pytest.mark.browser

_EXPECTED = re.compile(r"the server responded with a status of (403|409|429)")


@dataclass(slots=True)
class Site:
    """Where secprof is, and what lets people in."""

    address: str
    password: str
    provider: Provider


@dataclass
class Visitor:
    """Somebody at a window of their own."""

    page: Page
    site: Site
    complaints: list[str] = field(default_factory=list)

    def visit(self, path: str) -> None:
        self.page.goto(self.site.address + path)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def sign_in(self, name: str) -> None:
        self.visit("/login/")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(self.site.password)
        self.press("Sign in")

    def is_in(self, name: str) -> None:
        expect(self.page.locator(".who")).to_contain_text(name)

    def sign_out(self) -> None:
        self.press("Sign out")
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Sign in")

    def title(self, text: str) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text(text)

    def confirm_password(self) -> None:
        self.title("Confirm it is you")
        self.page.get_by_label("Password").fill(self.site.password)
        self.press("Confirm")

    def set_up_app(self) -> str:
        """Set up an authenticator app, and give its key."""
        self.visit("/account/app/add/")
        self.confirm_password()
        self.title("Set up an authenticator app")
        key = self.page.locator("#key").inner_text()
        self.page.get_by_label("The code that the app shows now").fill(code(key))
        self.press("Set up")
        self.title("Recovery codes")
        return key

    def add_passkey(self, name: str) -> None:
        self.visit("/account/passkeys/add/")
        heading = self.page.get_by_role("heading", level=1)
        if heading.inner_text() == "Confirm it is you":
            self.confirm_password()
        self.title("Add a passkey")
        self.page.get_by_label("Name", exact=True).fill(name)
        self.press("Add")
        expect(self.page.locator("#messages")).to_contain_text("The passkey is added.")

    def note(self, message: ConsoleMessage) -> None:
        ours = self.page.url.startswith(self.site.address)
        said = message.type in {"error", "warning"} and not _EXPECTED.search(message.text)
        if ours and said:
            self.complaints.append(f"{self.page.url}: {message.text}")


def code(key: str) -> str:
    """What the app shows; not in the last seconds of its life, and never one that has been shown before."""
    while time.time() % 30 > 25:
        time.sleep(0.5)
    return format_hotp_value(hotp_value(key, int(time.time()) // 30))


def next_code(key: str) -> str:
    """The code after the one that was used."""
    now = int(time.time()) // 30
    while int(time.time()) // 30 == now:
        time.sleep(0.5)
    return code(key)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("sign-in")) as (place, address, provider):
        yield Site(address, place.secrets().password, provider)


@pytest.fixture
def arrive_at(browser: Browser, site: Site) -> Iterator[Callable[..., Visitor]]:
    """Open windows; afterwards nobody's console may have complained, of the CSP least of all."""
    opened: list[Visitor] = []

    def let_in(*, javascript: bool = True) -> Visitor:
        context = browser.new_context(
            java_script_enabled=javascript,
            viewport={"width": 1440, "height": 900},
            reduced_motion="reduce",
            color_scheme="light",
        )
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(_CSP_WATCH)
        visitor = Visitor(context.new_page(), site)
        visitor.page.on("console", visitor.note)
        visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        opened.append(visitor)
        return visitor

    yield let_in
    for visitor in opened:
        visitor.page.context.close()
    complaints = [line for visitor in opened for line in visitor.complaints]
    assert not complaints, "\n".join(complaints)


def give_authenticator(page: Page) -> CDPSession:
    """Put a device with a fingerprint reader into this browser."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


Arrive = Callable[..., Visitor]


def test_app_is_asked_for_and_confirms_a_decision(arrive_at: Arrive, survey: Survey) -> None:
    approver = arrive_at()
    approver.sign_in("approver")
    approver.is_in("approver")
    approver.visit("/flips/")
    approver.page.get_by_role("link", name=re.compile("^Enforce")).first.click()
    decision = approver.page.locator("#decision")
    expect(decision).to_contain_text("takes your second factor")
    decision.get_by_role("link", name="Confirm it is you").click()
    approver.title("A second factor is needed")
    survey.look(approver.page, "step-up-none")
    key = approver.set_up_app()
    survey.look(approver.page, "recovery-codes")
    approver.page.get_by_role("link", name="I have them").click()
    approver.title("Your account")
    survey.look(approver.page, "security")

    approver.visit("/flips/")
    approver.page.get_by_role("link", name=re.compile("^Enforce")).first.click()
    flip = approver.page.url
    approver.page.locator("#decision").get_by_role("link", name="Confirm it is you").click()
    approver.title("Confirm it is you")
    survey.look(approver.page, "step-up")
    approver.page.get_by_label("Code from your app").fill(code(key))
    approver.press("Confirm")
    expect(approver.page).to_have_url(flip)
    approver.press("Approve this plan")
    expect(approver.page.locator("main")).to_contain_text("The roll-out has begun")

    approver.sign_out()
    approver.sign_in("approver")
    approver.title("Second factor")
    approver.page.get_by_label("Code from your app").fill("000000")
    approver.press("Sign in")
    expect(approver.page.get_by_role("alert").first).to_contain_text("This code is not right.")
    survey.look(approver.page, "second-factor")
    approver.page.get_by_label("Code from your app").fill(next_code(key))
    approver.press("Sign in")
    approver.is_in("approver")


def test_passkey_lets_in_alone_and_confirms(arrive_at: Arrive, survey: Survey) -> None:
    operator = arrive_at()
    give_authenticator(operator.page)
    operator.sign_in("operator")
    operator.is_in("operator")
    operator.visit("/account/passkeys/add/")
    operator.confirm_password()
    operator.title("Add a passkey")
    survey.look(operator.page, "passkey-add")
    operator.add_passkey("the laptop")
    operator.visit("/account/")
    expect(operator.page.locator("main")).to_contain_text("the laptop")
    expect(operator.page.locator("main")).to_contain_text("also without a password")
    operator.sign_out()

    operator.visit("/login/?next=/trail/")
    survey.look(operator.page, "sign-in-ways")
    operator.press("Sign in with a passkey")
    operator.is_in("operator")
    operator.title("Audit trail")
    expect(operator.page.locator("#rows")).to_contain_text("signed in by passkey")

    operator.visit("/account/confirm/?next=/account/sessions/")
    operator.press("Use a passkey")
    operator.title("Sessions")
    survey.look(operator.page, "sessions")
    operator.visit("/account/")
    operator.page.get_by_role("link", name="Rename the laptop").click()
    operator.page.get_by_label("Name", exact=True).fill("the old laptop")
    operator.press("Rename")
    operator.page.get_by_role("link", name="Remove the old laptop").click()
    operator.press("Remove")
    expect(operator.page.locator("#messages")).to_contain_text("The passkey is removed.")


def test_passkey_is_the_second_factor_after_a_password(arrive_at: Arrive) -> None:
    admin = arrive_at()
    give_authenticator(admin.page)
    admin.sign_in("admin")
    admin.is_in("admin")
    admin.add_passkey("the key")
    admin.sign_out()

    admin.sign_in("admin")
    admin.title("Second factor")
    admin.press("Use a passkey")

    admin.is_in("admin")


def test_passkey_that_this_browser_does_not_have_is_said(arrive_at: Arrive) -> None:
    stranger = arrive_at()
    session = give_authenticator(stranger.page)
    stranger.visit("/login/")
    session.send("WebAuthn.disable")

    stranger.page.evaluate(
        "() => { navigator.credentials.get ="
        " () => Promise.reject(new DOMException('', 'NotAllowedError')); }"
    )
    stranger.press("Sign in with a passkey")

    expect(stranger.page.get_by_role("alert")).to_contain_text("Nothing was done")


def test_app_works_without_javascript(arrive_at: Arrive, survey: Survey) -> None:
    auditor = arrive_at(javascript=False)
    auditor.sign_in("auditor")
    auditor.is_in("auditor")
    key = auditor.set_up_app()
    auditor.sign_out()
    expect(auditor.page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
    survey.glance(auditor.page, "sign-in")

    auditor.sign_in("auditor")
    auditor.title("Second factor")
    survey.glance(auditor.page, "second-factor")
    auditor.page.get_by_label("Code from your app").fill(next_code(key))
    auditor.press("Sign in")

    auditor.is_in("auditor")
    auditor.visit("/account/confirm/?next=/trail/")
    auditor.page.get_by_label("Code from your app").fill(next_code(key))
    auditor.press("Confirm")
    auditor.title("Audit trail")


@pytest.mark.parametrize("javascript", [True, False])
def test_provider_lets_in_and_its_refusal_is_a_page(
    arrive_at: Arrive, site: Site, survey: Survey, javascript: bool
) -> None:
    alice = arrive_at(javascript=javascript)
    alice.visit("/login/?next=/account/")
    alice.press("Continue with Example ID")
    alice.page.get_by_label("Account").fill("alice")
    alice.page.get_by_label("Secret").fill(PROVIDER_PASSWORD)
    alice.press("Log in here")
    alice.title("Your account")
    alice.is_in("alice")
    alice.sign_out()

    site.provider.door.changes["/token/"] = lambda found: {**found, "id_token": "a.b.c"}
    try:
        alice.visit("/login/")
        alice.press("Continue with Example ID")
        alice.title("Example ID cannot be used")
        if javascript:
            survey.look(alice.page, "provider-refused")
    finally:
        site.provider.door.open()
    alice.complaints = [line for line in alice.complaints if "502" not in line]
