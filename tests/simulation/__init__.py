"""The protocol, played in memory: the real use case and the real scripts, and everything that can go wrong.

    engine          time, machines, and the steps between them
    redis_twin      Redis in memory, with redis_sorted; lua runs the ledger's own scripts on it
    ledger_twin     the real ledger on that
    acquire_world   Acquire in memory, which knows which event each effect truly came of; acquire_twin its API
    cluster         two workers (worker), a door for webhooks, a person
    faults          what can strike at a step (faults_of_*); meddling is what others do in Acquire
    scenarios       what a history may be about; scenes_of_* are the histories' beginnings
    check           whether a history kept its promises
    play            a history from its number; batch plays many at once
    mutants         every rule taken out, to see that the histories need it

`make simulate` plays as many as fit into a minute; `make simulate SEED=n` tells one of them step by step.
"""
