"""What the tests tell settings: variables, kinds that are made up, and a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ROLES = ("run", "serve", "work", "sandbox", "tool")


WEBHOOK_SECRET = "whsec_" + "dGhlIHRlc3RzJyBvd24gd2ViaG9vayBzZWNyZXQ="


ACCOUNT = {"ACQUIRE_ACCOUNT_ID": "example", "ACQUIRE_API_KEY": "test-api-key"}


REDIS = {"REDIS_URL": "redis://localhost:6379/0"}


TOKEN = {"REOPENER_ADMIN_TOKEN": "test-admin-token"}


COMPLETE = {**ACCOUNT, **REDIS, **TOKEN, "SUPPORT_WEBHOOK_SECRET": WEBHOOK_SECRET}


@dataclass(frozen=True)
class FakeKind:
    options: frozenset[str] = field(default_factory=frozenset)
    needs_secret: bool = True

    def option_faults(self, options: Mapping[str, object]) -> list[str]:
        return [] if options.get("auth") in {None, "header"} else ['auth: must be "header"']

    def check_secret(self, secret: str, options: Mapping[str, object]) -> str | None:
        return "is too short" if len(secret) < 4 else None


KINDS = {
    "standard": FakeKind(),
    "static": FakeKind(frozenset({"auth", "header", "query"})),
    "zendesk": FakeKind(),
    "zoho-desk": FakeKind(frozenset({"org_id"}), needs_secret=False),
}


SUPPORT = '[sources.support]\nkind = "standard"\nsecret_env = "SUPPORT_WEBHOOK_SECRET"\n'
