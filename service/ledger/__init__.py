"""The ledger: the truth about every event, reopen and thread, in Redis.

    admission   what an accepted event leaves before its answer goes out
    admissions  leaves it, and once more where Redis forgot it
    leases      a worker's side: claim, save, finish
    sweeps      what nobody woke in time
    retention   what ended long ago goes
    forgetting  a customer goes, everywhere
    copies      export and import
    verbs       what people ask for
    deeds       does it once more where Redis forgot it
    bulks       one verb for many reopens, in lanes of their own
    reads       what people and programs see
    counts      how many are where, what keeps the account from sending
    listing     lists of reopens by what is asked for
    failures    what needs a person, grouped by what went wrong
    series      what happened when, for charts
    tallies     what happened since ever, for Prometheus
    crew        who works
    bodies      what was said in the calls of reopens that are not done
    alerts      what people were told of, and what has to be sent
    heard       deliveries that left no record, by what they were about
    audit       who did what
    care        breaker, rate limit and retry budget, shared by all workers
    flow        how much of the two is left now
    account     pause, resume, and notes of deliveries
    cases       what Acquire tells of its cases by itself
    requests    requests that are kept for explaining them
    rewrites    what a worker wrote lately, written once more where Redis forgot it
    recent      what was confirmed lately, as both of these keep it
    durably     writes that are confirmed by replicas and disks before anybody is told of them
    scripts/    the Lua scripts, each whole or not at all

All keys begin with `reopener:`

    r:{id}                 hash    a reopen's record
    t:{thread}             hash    `doc*`: the thread; `aliases`: later cases that lead to it; `unsettled`;
                                   `o:*`: observations; `s:{case}`: a status that Acquire told of by itself
    alias:*                hash    later case -> its thread, by hundreds
    inbox:{box}            zset    reopens that wait, by position; a box is a thread, or `k:source:ticket`
    is:{source}:{status}   zset    reopens in a status, by position: membership is the status
    find                   zset    `value NUL id`: search by prefix
    d:{id}                 string  a reopen that is done, in the archive (scripts/parts/archive.lua)
    tree:*, leaf:*, sizes  zsets, hash  the archive's sorted sets (scripts/parts/tree.lua):
                                   `done:{source}:{status}` lists, `found` finds by prefix, `messages`
                                   knows what made them
    leases, bells          hash    box -> who holds it; box -> the bell outstanding
    due                    zset    box -> unix ms at which somebody should look after it
    message:*, same:*      string  other events of the same reply -> the first one's id
    halves:*               zset    a ticket's replies that come as two events: which half, by its moment
    weak:*                 string  bodies of events without an id, while their helpdesk may repeat them
    links                  hash    source NUL ticket -> contact:thread
    deliveries             stream  the latest deliveries with their verdicts
    raw:*, raws:*          string, zset  requests that are kept for a while, where a setting says so
    failures, failure:{group}  zsets   groups of dead and held ones by size, and the members of each
    series:*               hash    counts by minute, hour and day
    counts, tally          hash    counts since ever: events and ends; what workers tell of their calls
    heard                  hash    source -> unix ms of its latest authentic delivery
    bodies:{id}            list    redacted exchanges with Acquire of a reopen that is not done
    about:*, refused       list    where in `deliveries` ignored and rejected ones are, by hashes of their ids
    alerts, alerts:*               what is known of alerts, messages that wait, the latest that were sent
    audit                  stream  who did what
    bulks, bulk:{id}       zset, hash  verbs for many by time; how far each is
    bulk:{id}:left         zset    its reopens that are still to be begun, by position
    bulks:listed           set     those whose list is still being made
    bulks:lanes, bulks:work, bulks:news  whose turn it is; what was begun, of which; differs when one went on
    breaker, calls         hash    the account's breaker; how the latest calls ended, by second
    rate, budget                   when the rate limit's bucket is full again; what retries may call
    gone:*                 string  keyed hashes of removed reopens' ids, while their helpdesk may repeat them
    account, totals, epoch, position, waited, sources, sweepers, keeper, salt, salts, duplicates
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.ledger.account import Account
from service.ledger.admissions import Admissions
from service.ledger.alerts import Alerts
from service.ledger.audit import Audit
from service.ledger.bodies import Bodies
from service.ledger.bulks import Bulks
from service.ledger.care import Care
from service.ledger.cases import Cases
from service.ledger.copies import Copies
from service.ledger.counts import Counts
from service.ledger.crew import Crews
from service.ledger.deeds import Deeds
from service.ledger.failures import Failures
from service.ledger.flow import Flows
from service.ledger.forgetting import Forgetting
from service.ledger.heard import Heard
from service.ledger.leases import Leases
from service.ledger.listing import Listing
from service.ledger.reads import Reads
from service.ledger.requests import Requests
from service.ledger.retention import Retention
from service.ledger.scripts import Scripts
from service.ledger.series import SeriesReads
from service.ledger.sweeps import Sweeps
from service.ledger.tallies import Tallies
from service.ledger.verbs import Verbs
from service.queue import BELL_SECONDS

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.domain.ports import Ticker
    from service.domain.reopens import Policy
    from service.ledger.durably import Wait
    from service.queue import Bells


@dataclass(frozen=True, slots=True)
class Ledger:
    """All sides of the ledger on one connection pool."""

    scripts: Scripts
    admissions: Admissions
    leases: Leases
    sweeps: Sweeps
    retention: Retention
    forgetting: Forgetting
    copies: Copies
    verbs: Verbs
    deeds: Deeds
    bulks: Bulks
    reads: Reads
    counts: Counts
    listing: Listing
    failures: Failures
    series: SeriesReads
    heard: Heard
    account: Account
    audit: Audit
    requests: Requests
    care: Care
    cases: Cases
    crews: Crews
    tallies: Tallies
    flows: Flows
    alerts: Alerts
    bodies: Bodies


def open_ledger(
    connection: Redis, bells: Bells, ticker: Ticker, *, policy: Policy, wait: Wait | None = None
) -> Ledger:
    """The ledger behind a connection. `wait` says how far admissions, intents and what people ask for have to
    have come before anybody is told of them. Where Redis can forget what it confirmed
    (`Account.note_durability`), a new run of it quarantines sending for as long as a forgotten call may act.
    """
    scripts = Scripts(connection, wait)
    quarantine_ms = policy.timeout_ms + policy.settle_ms
    bell_ms = BELL_SECONDS * 1000
    admissions = Admissions(scripts, bells, ticker, bell_ms=bell_ms, quarantine_ms=quarantine_ms)
    reads = Reads(connection, scripts)
    listing = Listing(scripts, reads)
    audit = Audit(connection)
    account = Account(connection, wait)
    deeds = Deeds(scripts, ticker, account.run_id)
    verbs = Verbs(scripts, bells, reads, admissions, deeds, bell_ms=bell_ms)
    care = Care(scripts, rate_per_second=policy.rate_per_second, retry_share=policy.retry_share)
    return Ledger(
        scripts=scripts,
        admissions=admissions,
        leases=Leases(scripts, connection, ticker, lease_ms=policy.lease_ms, quarantine_ms=quarantine_ms),
        sweeps=Sweeps(scripts, connection, bells, quarantine_ms=quarantine_ms),
        retention=Retention(scripts, connection),
        forgetting=Forgetting(scripts, connection, reads),
        copies=Copies(scripts, connection, listing, reads),
        verbs=verbs,
        deeds=deeds,
        bulks=Bulks(scripts, connection, listing, audit, deeds, at_once=policy.bulk_at_once),
        reads=reads,
        counts=Counts(connection, bells, reads),
        listing=listing,
        failures=Failures(connection, reads),
        series=SeriesReads(connection),
        heard=Heard(scripts, connection),
        account=account,
        audit=audit,
        requests=Requests(connection),
        care=care,
        cases=Cases(scripts, verbs.ring),
        crews=Crews(connection, bells),
        tallies=Tallies(connection),
        flows=Flows(connection, care),
        alerts=Alerts(scripts, connection),
        bodies=Bodies(scripts, connection),
    )
