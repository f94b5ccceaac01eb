"""A stand-in for Exchange that speaks real EWS over HTTP: for the demo, tests and benchmarks."""
