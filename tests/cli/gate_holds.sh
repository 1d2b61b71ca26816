quantize_sample --set /gates/min_sqnr_db=5 --set "/gates/max_file_size=\"1 MB\""
