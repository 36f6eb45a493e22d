"""Chains over codes: Hamiltonian transitions, the coordinates that they move in, and long runs in chunks."""
