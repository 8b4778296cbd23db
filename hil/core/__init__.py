"""Words that every other part shares: instants, units, records, errors, specifications. No I/O."""
