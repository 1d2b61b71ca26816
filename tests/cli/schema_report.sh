"$QCONVERT" schema --report
