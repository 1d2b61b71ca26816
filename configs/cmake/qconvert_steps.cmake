# Steps of a build beside qconvert itself; qconvert_add_model() runs this as a script:
#     cmake -DDEPFILE=file -P qconvert_steps.cmake                    takes names with ':' out of the depfile
#     cmake -DSTAMP=stamp "-DFILES=a;b" -P qconvert_steps.cmake       removes the stamp where one of the files is gone

# CMake hands them on without the backslash before ':'; Make then reads no rule of the target any more, and Ninja looks for
# a file that is not there. The folder of the pictures stays in the list.
if(DEPFILE)
  file(READ ${DEPFILE} text)
  string(REGEX REPLACE "\n  [^\n]*[\\]:[^\n]*" "" text "${text}")
  string(REGEX REPLACE "\n[^ \n][^\n]*[\\]:[^\n]*:\n" "\n" text "${text}")
  file(WRITE ${DEPFILE} "${text}")
endif()

# Make has no rule for a byproduct, and would take the stamp for the proof that it is there.
foreach(file IN LISTS FILES)
  if(NOT EXISTS ${file})
    file(REMOVE ${STAMP})
  endif()
endforeach()
