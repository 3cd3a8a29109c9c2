"""The sandbox: a stand-in for Acquire to try a set-up against, and to prove ours with.

    world       cases, messages and contacts, and what happens to them
    shown       a case as Acquire writes it, with every field of the vendor's sample
    calls       Acquire's API on that world
    faults      what can go wrong with a call, as one can switch it on
    called      the calls that reached it
    control     `/_sandbox`: faults, cases, closing, starting over
    journal     what is kept over restarts
    app         all of it as one ASGI app

What is documented behaves as documented (docs of the vendor); where they are silent, this is how it is here:
an unknown thread or contact comes into being when it is first named, as a closed case, so that any thread id
can be tried; ids of 9e15 and above do not exist. `messages` of a case are shown in full beside `lastMessage`.
"""
