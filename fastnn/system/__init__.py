"""What stands below everything else: files, memory maps, checksums, progress bars."""
