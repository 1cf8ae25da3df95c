"""Who speaks: the actors of the modelled machine and the kernel routines its CPU threads run."""
