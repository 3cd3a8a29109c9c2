"""Watching the account: what is wrong now, and who is told of it.

seen        one look at everything
silence     a source that usually talks and does not
numbers     what the overview and the terminal show of it
problems    what is wrong, worst first
spooled     what waits on a receiver's disk
"""

from service.watch.seen import Seen, look

__all__ = ["Seen", "look"]
