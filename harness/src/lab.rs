//! The lab: private namespaces, one network namespace per node.
