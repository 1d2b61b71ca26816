quantize_sample --report htlm --report spreadsheet
