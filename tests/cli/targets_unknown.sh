"$QCONVERT" targets imt8
