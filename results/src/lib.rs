//! What is kept and shown: the run directory and the reports.
