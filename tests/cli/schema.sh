"$QCONVERT" schema
