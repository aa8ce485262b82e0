"""Reports that are one file: they open in any browser, offline."""
