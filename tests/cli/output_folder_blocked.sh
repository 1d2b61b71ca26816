# A file stands where the output folder should be: not even root can write there.
printf "in the way" > out
quantize_sample
