"""Everything that speaks to a device: links, codecs, drivers, and a virtual twin of each device."""
