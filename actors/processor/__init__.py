"""The CPU: an actor that runs durable kernel threads, takes interrupts, and owns a TLB."""
