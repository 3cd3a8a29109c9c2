"""The chaos run: real processes, a real Redis, the sandbox with faults, and everything killed in turn."""
