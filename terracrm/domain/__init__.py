"""Records, matching and policies: pure, without I/O."""
