"""Every kind there is: one row each."""

from __future__ import annotations

from collections.abc import Mapping

from service.sources import (
    acquire,
    chatwoot,
    crisp,
    custom_hmac,
    dixa,
    freshchat,
    freshdesk,
    freshservice,
    front,
    gladly,
    gorgias,
    helpscout,
    hubspot,
    intercom,
    jira,
    kustomer,
    standard,
    static,
    zendesk,
    zoho_desk,
)
from service.sources.kind import Kind

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        standard.KIND,
        zendesk.KIND,
        intercom.KIND,
        freshdesk.KIND,
        freshservice.KIND,
        freshchat.KIND,
        helpscout.KIND,
        front.KIND,
        hubspot.KIND,
        gorgias.KIND,
        kustomer.KIND,
        jira.KIND,
        crisp.KIND,
        chatwoot.KIND,
        gladly.KIND,
        dixa.KIND,
        zoho_desk.KIND,
        acquire.KIND,
        custom_hmac.KIND,
        static.KIND,
    )
}
