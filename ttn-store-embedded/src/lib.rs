//! Storage ports of The Things Stack on an embedded engine: one directory, nothing else to install.
