# A report that cannot be printed is not silently lost.
"$QCONVERT" targets int8 > /dev/full
