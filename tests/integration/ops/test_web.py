"""The installation answers, and says what a browser may load."""

from django.test import Client


def test_healthz_anonymous_answers_ok(db: None, client: Client) -> None:
    response = client.get("/healthz")

    assert response.status_code == 200


def test_every_answer_carries_the_content_security_policy(db: None, client: Client) -> None:
    header = client.get("/healthz").headers["Content-Security-Policy"]

    directives = set(header.split("; "))
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= directives
    assert "unsafe" not in header
