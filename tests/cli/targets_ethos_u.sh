# What a target lets stand in a .tflite, and what it hands to the processor beside it.
"$QCONVERT" targets ethos-u
