"$QCONVERT" targets
