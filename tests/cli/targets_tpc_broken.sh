# Everything that is wrong in a TPC at once, with its places.
sed -e 's/"name": "MaxPool"/"name": "MaxPol"/' -e 's/"simd_size"/"simd_sise"/' "$DATA/targets/tpc_schema_1.json" > broken.json
"$QCONVERT" targets broken.json
