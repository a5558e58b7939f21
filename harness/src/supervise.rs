//! Client workers: started, watched, replaced.
