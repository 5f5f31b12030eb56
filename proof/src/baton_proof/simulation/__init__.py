"""A deterministic simulation of both Regions: real controllers, real services, memory adapters, and one seed.

The seed draws time, order, crashes, pauses, lost and late answers, doubled messages, partitions, replication lag, wrong
canaries, a failing switch and two operators at once. `watch` checks the safety invariants S1 to S12 at every event;
when the faults stop, `simulate` checks L1 to L5.
"""
