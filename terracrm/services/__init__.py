"""Use cases, one module per noun: the only code that changes business data. None of it commits (invariant 9)."""
