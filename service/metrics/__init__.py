"""Prometheus metrics, at `/metrics` of every receiver.

    receiver    what this process has seen itself: of several receivers, add these up
    spool       what waits on this receiver's disk: add these up too
    account     what Redis knows of the whole account: every receiver tells the same, take any of them
    page        all three on one page

No label grows with what comes from outside: sources are those of the settings, all else is one of few words.
"""

from service.metrics.page import routes
from service.metrics.receiver import ReceiverMetrics
from service.metrics.spool import SpoolMetrics

__all__ = ["ReceiverMetrics", "SpoolMetrics", "routes"]
