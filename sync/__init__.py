"""The sync engine: plan what a page of changes means, write it with its cursor, decide when to run again."""
