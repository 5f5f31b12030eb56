"""A deterministic simulation of both Regions: real controllers, real services, memory adapters, and one seed.

The seed draws time, order, crashes, pauses, lost and late answers, doubled messages, partitions, replication lag, wrong
canaries, a failing switch and two operators at once. `watch` checks the invariants S1 to S12, S15 and S17 at every
event, `judge` S13 and S14; when the faults stop, `simulate` checks S16 and L1 to L5.
"""
