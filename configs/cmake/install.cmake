# What `cmake --install` and `cpack` give: the program with the runtime beside it, configs, manual, completion and the
# CMake package (component runtime); the library and its headers (component development, in no package).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(QCONVERT_PRIVATE_LIBDIR ${CMAKE_INSTALL_LIBDIR}/qconvert)  # out of the way of a system's own runtime
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/qconvert)

file(RELATIVE_PATH from_bin_to_lib /${CMAKE_INSTALL_BINDIR} /${QCONVERT_PRIVATE_LIBDIR})
set_target_properties(qconvert PROPERTIES INSTALL_RPATH "$ORIGIN/${from_bin_to_lib}")
install(TARGETS qconvert RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
# Under the name that the program asks for.
file(REAL_PATH ${ONNXRUNTIME_LIBRARY} onnxruntime_file)
install(PROGRAMS ${onnxruntime_file} DESTINATION ${QCONVERT_PRIVATE_LIBDIR} RENAME libonnxruntime.so.1 COMPONENT runtime)
install(DIRECTORY configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/qconvert COMPONENT runtime PATTERN cmake EXCLUDE)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)

# Printed by the program itself, from its tables of options.
set(pages ${CMAKE_BINARY_DIR}/pages)
file(MAKE_DIRECTORY ${pages})
set(print ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0 $<TARGET_FILE:qconvert>)
add_custom_command(OUTPUT ${pages}/qconvert.1 ${pages}/qconvert.bash ${pages}/_qconvert ${pages}/qconvert.fish DEPENDS qconvert
                   COMMAND ${print} man > ${pages}/qconvert.1
                   COMMAND ${print} completion bash > ${pages}/qconvert.bash
                   COMMAND ${print} completion zsh > ${pages}/_qconvert
                   COMMAND ${print} completion fish > ${pages}/qconvert.fish)
add_custom_target(pages ALL DEPENDS ${pages}/qconvert.1)
install(FILES ${pages}/qconvert.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT runtime)
install(FILES ${pages}/qconvert.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME qconvert COMPONENT runtime)
install(FILES ${pages}/_qconvert DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT runtime)
install(FILES ${pages}/qconvert.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT runtime)

# All rooms in one archive, for programs that link them.
get_property(rooms GLOBAL PROPERTY QC_ROOMS)
set(objects)
foreach(room ${rooms} qc_pipeline)
  list(APPEND objects $<TARGET_OBJECTS:${room}>)
endforeach()
add_library(qconvert_archive STATIC ${objects})
set_target_properties(qconvert_archive PROPERTIES OUTPUT_NAME qconvert LINKER_LANGUAGE CXX)
install(TARGETS qconvert_archive ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY lib/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/qconvert COMPONENT development FILES_MATCHING PATTERN "*.h")

configure_package_config_file(configs/cmake/qconvertConfig.cmake.in ${CMAKE_BINARY_DIR}/qconvertConfig.cmake INSTALL_DESTINATION ${package_folder}
                              PATH_VARS CMAKE_INSTALL_BINDIR CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR QCONVERT_PRIVATE_LIBDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/qconvertConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/qconvertConfig.cmake ${CMAKE_BINARY_DIR}/qconvertConfigVersion.cmake configs/cmake/qconvert_add_model.cmake
              configs/cmake/qconvert_steps.cmake
        DESTINATION ${package_folder} COMPONENT runtime)

set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_NAME qconvert)
set(CPACK_PACKAGE_VENDOR "the qconvert authors")
set(CPACK_PACKAGE_CONTACT "the qconvert authors <qconvert@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "quantizes float32 ONNX models to ONNX and TFLite files of integers")
set(CPACK_PACKAGE_CHECKSUM SHA256)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_SOURCE_DIR}/configs/cmake/cpack_options.cmake)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)  # libraries of the distribution become dependencies
get_filename_component(onnxruntime_folder ${onnxruntime_file} DIRECTORY)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${onnxruntime_folder})
include(CPack)
