"""Drivers of fault boxes: relays in the wires between the bench and the board."""
