//! What clients do: producers and consumers in their delivery modes, run by worker processes.
