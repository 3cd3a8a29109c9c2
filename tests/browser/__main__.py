"""`make screenshots`: every page in both themes, and the main ones on a phone, into docs/screenshots."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from service.clock import SystemClock
from service.embedded import EmbeddedRedis
from tests.browser.chromium import DESK, PHONE, chromium, context, picture, sign_in
from tests.browser.stage import play
from tests.running import ROOT, TOKEN, whole_on

FOLDER = ROOT / "docs" / "screenshots"


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        server = EmbeddedRedis.start(Path(place) / "redis", clock=SystemClock())
        stack = Path(place) / "stack"
        stack.mkdir()
        with whole_on(stack, server.url) as whole, chromium() as browser:
            staged = play(whole, dead=4)
            pages = {
                "overview": "/",
                "reopens": "/reopens",
                "reopen": f"/reopens/{staged.appended}",
                "held": f"/reopens/{staged.held}?contact=customer@example.com",
                "hostile": f"/reopens/{staged.hostile}",
                "why": "/why?q=4800",
                "deliveries": "/deliveries",
                "threads": "/threads",
                "thread": "/threads/2000",
                "setup": "/setup",
                "audit": "/audit",
            }
            whole.api("POST", "/api/pause", headers={"x-reopener-actor": "Anna"})
            whole.api("POST", "/api/resume", headers={"x-reopener-actor": "Anna"})
            for theme in ("light", "dark"):
                for size, suffix in ((DESK, ""), (PHONE, "-phone")):
                    with context(browser, whole.origin, theme=theme, size=size) as opened:
                        page = opened.new_page()
                        page.goto("/login")
                        picture(page, folder / f"login-{theme}{suffix}.png")
                        sign_in(page, TOKEN)
                        for name, address in pages.items():
                            page.goto(address)
                            page.locator("#live.on").wait_for()
                            picture(page, folder / f"{name}-{theme}{suffix}.png")
        server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
