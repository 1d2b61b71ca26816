# qconvert_add_model(NAME MODEL model.onnx [CONFIG config.json] [OUTPUT_DIRECTORY folder] [FORMATS onnx tflite]
#                    [ARGUMENTS ...])
#
# A target NAME, part of `all`, that quantizes the model when it, its external data, the config, the target or one of the
# pictures has changed. Paths are relative to the current source folder; the files go into the current binary folder
# or OUTPUT_DIRECTORY. ARGUMENTS are further words of qconvert's command line. Files whose content stays the same keep their
# time, so what depends on them is left alone; files that are gone are made again. Properties of the target:
# QCONVERT_ONNX, QCONVERT_TFLITE (where FORMATS says so), QCONVERT_REPORT: the paths.
function(qconvert_add_model name)
  cmake_parse_arguments(PARSE_ARGV 1 QC "" "MODEL;CONFIG;OUTPUT_DIRECTORY" "FORMATS;ARGUMENTS")
  if(QC_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "qconvert_add_model(${name}): '${QC_UNPARSED_ARGUMENTS}' is not one of MODEL, CONFIG, OUTPUT_DIRECTORY, FORMATS, ARGUMENTS")
  endif()
  if(NOT QC_MODEL)
    message(FATAL_ERROR "qconvert_add_model(${name}): no MODEL is named; write MODEL path/to/model.onnx")
  endif()
  if(NOT QC_FORMATS)
    set(QC_FORMATS onnx)
  endif()
  if(NOT QC_OUTPUT_DIRECTORY)
    set(QC_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  endif()
  get_filename_component(model ${QC_MODEL} ABSOLUTE)
  get_filename_component(folder ${QC_OUTPUT_DIRECTORY} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_BINARY_DIR})
  get_filename_component(stem ${QC_MODEL} NAME_WLE)
  set(config)
  if(QC_CONFIG)
    get_filename_component(config_file ${QC_CONFIG} ABSOLUTE)
    set(config --config ${config_file})
  endif()
  set(stamp ${CMAKE_CURRENT_BINARY_DIR}/${name}.qconvert.stamp)
  set(depfile ${CMAKE_CURRENT_BINARY_DIR}/${name}.qconvert.d)
  set(files ${folder}/${stem}.report.json)
  foreach(format IN LISTS QC_FORMATS)
    list(APPEND files ${folder}/${stem}.quant.${format})
  endforeach()
  string(REPLACE ";" "," formats "${QC_FORMATS}")
  set(steps ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/qconvert_steps.cmake)
  add_custom_command(
    OUTPUT ${stamp} BYPRODUCTS ${files} DEPENDS ${model} ${config_file} DEPFILE ${depfile} VERBATIM
    COMMENT "Quantizing ${QC_MODEL}"
    COMMAND qconvert::tool ${model} ${config} --format ${formats} -o ${folder} --depfile ${depfile} --stamp ${stamp} -q --no-progress
            ${QC_ARGUMENTS}
    COMMAND ${CMAKE_COMMAND} -DDEPFILE=${depfile} -P ${steps})
  add_custom_target(${name} ALL DEPENDS ${stamp})
  if(CMAKE_GENERATOR MATCHES "Makefiles")
    add_custom_target(${name}_is_there VERBATIM COMMAND ${CMAKE_COMMAND} -DSTAMP=${stamp} "-DFILES=${files}" -P ${steps})
    add_dependencies(${name} ${name}_is_there)
  endif()
  set_target_properties(${name} PROPERTIES QCONVERT_REPORT ${folder}/${stem}.report.json)
  foreach(format IN LISTS QC_FORMATS)
    string(TOUPPER ${format} upper)
    set_target_properties(${name} PROPERTIES QCONVERT_${upper} ${folder}/${stem}.quant.${format})
  endforeach()
endfunction()
