"""Telling people: once when something begins to be wrong, once when it is over.

    conditions    what is worth waking somebody, seen from one look at the account. Pure
    transitions   what began and what is over, compared with what was known. Pure
    watcher       one process at a time looks and notes; whoever comes first sends
    sending       a child process for each message, bounded in time
    child         what that process does, through apprise
    asked         `/api/alerts`

What is known, and what has to be sent, is in Redis (service/ledger/alerts.py).
"""
