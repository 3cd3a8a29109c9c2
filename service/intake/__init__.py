"""Between a delivery's bytes and the ledger: each part of the receiver that has a reason of its own.

front       hands deliveries to the receiver before Starlette does anything
raw         a delivery's bytes and headers, read no further than the bound
remembered  what an event leaves in the ledger
line        deliveries that wait for their answer, bounded
commit      concurrent deliveries, admitted together
detour      the way they take while Redis is away, and back
spool       where they wait meanwhile, on this machine's disk
watch       asks whether Redis is still the one that confirmed what was acknowledged
"""
