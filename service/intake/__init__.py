"""Between a delivery's bytes and the ledger: each part of the receiver that has a reason of its own.

raw         a delivery's bytes and headers, read no further than the bound
remembered  what an event leaves in the ledger
commit      concurrent deliveries, admitted together
"""
