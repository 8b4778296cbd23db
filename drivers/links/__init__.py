"""Links: the only place that touches sockets, ports and buses."""
