"""Basic system functions: files, memory maps, checksums, progress bars."""
