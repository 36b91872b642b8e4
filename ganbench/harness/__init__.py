"""The harness: a suite becomes jobs, jobs run in worker processes, each run leaves a record."""
