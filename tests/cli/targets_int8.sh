# What the target allows, op by op.
"$QCONVERT" targets int8
