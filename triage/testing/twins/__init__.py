"""Stand-ins for systems that cannot be run here: stateful, on loopback, and worse behaved than the real ones.

Each counts what it really made, whatever it answered; faults of the network are the proxy's part.
"""
