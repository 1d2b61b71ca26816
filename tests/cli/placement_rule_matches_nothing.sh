# A rule that means no node: an error with the nearest name.
quantize_sample --set '/placement/rules=[{"filter": {"region": {"from": "block2/depthwise/conf", "to": "*"}}, "placement": "float"}]'
