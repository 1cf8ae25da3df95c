"""The public API: scenarios loaded, runs made and read. The command line is a thin layer over it."""
