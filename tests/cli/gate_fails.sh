# A gate that cannot hold: the run says so by its exit code.
quantize_sample --set /gates/min_sqnr_db=200
