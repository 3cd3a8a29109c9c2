"""The reopener: a customer replies to a closed ticket, and the conversation goes on in Acquire.

The flow, and the file of each step:

    receiver                a helpdesk posts a signed webhook
    sources.*.verify, read  is it authentic, and what does it say?
    domain.decide           does a customer's reply wait for an answer?
    ledger.admit            stored once, in order, with a bell in RQ's queue; only now the answer 200
    workers.jobs.ring       an RQ worker hears the bell
    ledger.claim            one thread at a time, in order of arrival
    workers.look            what does Acquire show of the thread?
    domain.settle, plan     adopt what a lost answer did; append, reopen, wait, or stop
    workers.acquire         the one call that must not happen twice
    ledger.save             one case or one message, or a status that a person sees
"""
