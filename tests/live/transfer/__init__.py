"""Transfer rooms to an account on another server, on two real Synapses that federate."""
