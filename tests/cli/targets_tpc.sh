# A TargetPlatformCapabilities file of MCT, as it is: what it allows, and a conversion for it.
quantize_sample --target "$DATA/targets/tpc_schema_1.json" -q > /dev/null
"$QCONVERT" targets "$DATA/targets/tpc_schema_2.json"
