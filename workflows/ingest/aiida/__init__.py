"""Results of the XSpectra work chains of aiida-quantumespresso and aiida-qe-xspec, read with their lineage."""
