"""What the reopener decides, and nothing it does: pure functions over plain values.

Nothing here reads a clock, draws a random number or talks to anybody: `now` and `rng` are parameters.
"""
