# A room is one concept: include/normgraft/<room>/, src/<room>/, tests/<room>/.

add_library(normgraft_options INTERFACE)
target_include_directories(normgraft_options INTERFACE ${CMAKE_SOURCE_DIR}/include)
target_compile_options(normgraft_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion)
if(NORMGRAFT_WERROR)
  target_compile_options(normgraft_options INTERFACE -Werror)
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

# normgraft_test(NAME SOURCES file... LINK library...) defines the test program NAME_test.
function(normgraft_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name}_test ${ARG_SOURCES})
  target_include_directories(${name}_test PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_compile_definitions(${name}_test PRIVATE NORMGRAFT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name}_test PRIVATE ${ARG_LINK} GTest::gtest_main)
  include(GoogleTest)
  gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 600)
endfunction()
