# A room is one concept: include/normgraft/<room>/, src/<room>/, tests/<room>/.

add_library(normgraft_options INTERFACE)
target_include_directories(normgraft_options INTERFACE ${CMAKE_SOURCE_DIR}/include)
target_compile_options(normgraft_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion)
if(NORMGRAFT_WERROR)
  target_compile_options(normgraft_options INTERFACE -Werror)
endif()
# In files compiled as one GCC takes an anonymous namespace of any file but the first for one of a header.
set(normgraft_unity_options $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
if(CMAKE_UNITY_BUILD)
  target_compile_options(normgraft_options INTERFACE ${normgraft_unity_options})
endif()
if(NORMGRAFT_SANITIZE)
  target_compile_options(normgraft_options INTERFACE -fsanitize=${NORMGRAFT_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(normgraft_options INTERFACE -fsanitize=${NORMGRAFT_SANITIZE})
endif()

# normgraft_rooms(NAME...) enters src/NAME, and tests/NAME where it exists and tests are built.
function(normgraft_rooms)
  foreach(room IN LISTS ARGN)
    add_subdirectory(src/${room})
    if(NORMGRAFT_TESTS AND EXISTS ${CMAKE_SOURCE_DIR}/tests/${room}/CMakeLists.txt)
      add_subdirectory(tests/${room})
    endif()
  endforeach()
endfunction()

# normgraft_room(NAME SOURCES file... LINK library...) defines the static library normgraft::NAME.
function(normgraft_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(normgraft_${name} STATIC ${ARG_SOURCES})
  add_library(normgraft::${name} ALIAS normgraft_${name})
  target_link_libraries(normgraft_${name} PUBLIC normgraft_options ${ARG_LINK})
endfunction()

# normgraft_test(NAME SOURCES file... LINK library...) defines the test program NAME_test, and each of its suites as a test.
# Its files are compiled as one, so they share the names in their anonymous namespaces.
function(normgraft_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  set(program ${name}_test)
  add_executable(${program} ${ARG_SOURCES})
  set_target_properties(${program} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
  target_compile_options(${program} PRIVATE ${normgraft_unity_options})
  target_include_directories(${program} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_compile_definitions(${program} PRIVATE NORMGRAFT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${program} PRIVATE ${ARG_LINK} GTest::gtest_main)

  # Linking lists the suites, so it depends on what lists them.
  set_target_properties(${program} PROPERTIES LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/suites.cmake)
  set(suites ${CMAKE_CURRENT_BINARY_DIR}/${program}_suites.cmake)
  add_custom_command(TARGET ${program} POST_BUILD BYPRODUCTS ${suites}
    COMMAND ${CMAKE_COMMAND} -D PROGRAM=$<TARGET_FILE:${program}> -D FILE=${suites} -P ${CMAKE_SOURCE_DIR}/cmake/suites.cmake)
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${program}_include.cmake
    "if(EXISTS \"${suites}\")\n  include(\"${suites}\")\nelse()\n  add_test(${program}_not_built ${program}_not_built)\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${CMAKE_CURRENT_BINARY_DIR}/${program}_include.cmake)
endfunction()
