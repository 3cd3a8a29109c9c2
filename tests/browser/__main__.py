"""`make screenshots`: every page in both themes, and the main ones on a phone, into docs/screenshots."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from service.clock import SystemClock
from service.embedded import EmbeddedRedis
from tests.browser.chromium import DESK, PHONE, chromium, context, picture, sign_in
from tests.browser.stage import made_up_month, play
from tests.running import CONFIG, ROOT, TOKEN, until, whole_on

MORE = """[retention]
raw_hours = 1
[alerts]
url_envs = ["ALERTS_MAIL"]
"""
NOWHERE = "mailto://127.0.0.1:9?from=reopener@example.com&to=ops@example.com&mode=insecure"
FOLDER = ROOT / "docs" / "screenshots"


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        server = EmbeddedRedis.start(Path(place) / "redis", clock=SystemClock())
        stack = Path(place) / "stack"
        stack.mkdir()
        with (
            whole_on(stack, server.url, config=CONFIG + MORE, ALERTS_MAIL=NOWHERE) as whole,
            chromium() as browser,
        ):
            staged = play(whole, dead=4)
            made_up_month(whole)
            pages = {
                "overview": "/",
                "overview-month": "/?span=month",
                "reopens": "/reopens",
                "reopen": f"/reopens/{staged.appended}",
                "dead": f"/reopens/{staged.dead}",
                "held": f"/reopens/{staged.held}?contact=customer@example.com",
                "hostile": f"/reopens/{staged.hostile}",
                "why": "/why?q=4800",
                "deliveries": "/deliveries",
                "threads": "/threads",
                "thread": "/threads/2000",
                "setup": "/setup",
                "audit": "/audit",
            }
            until(lambda: whole.exchanges(staged.dead))
            until(lambda: whole.redis.lrange("reopener:alerts:log", 0, -1))
            whole.api("POST", "/api/pause", headers={"x-reopener-actor": "Anna"})
            whole.api("POST", "/api/resume", headers={"x-reopener-actor": "Anna"})
            (delivery, *_) = whole.api("GET", "/api/deliveries?verdict=accepted").json()["deliveries"]
            pages["delivery"] = f"/deliveries/{delivery['id']}"
            for theme, size, suffix in (("light", DESK, ""), ("dark", DESK, ""), ("light", PHONE, "-phone")):
                with context(browser, whole.origin, theme=theme, size=size) as opened:
                    page = opened.new_page()
                    page.goto("/login")
                    picture(page, folder / f"login-{theme}{suffix}.png")
                    sign_in(page, TOKEN)
                    for name, address in pages.items():
                        page.goto(address)
                        page.locator("#live.on").wait_for()
                        if name == "dead":
                            page.get_by_text("What was said").last.click()
                        picture(page, folder / f"{name}-{theme}{suffix}.png")
        server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
