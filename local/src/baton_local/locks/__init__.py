"""Locks of the local world: what AWS would refuse a role is refused here. Standard library only: emulators load it."""
