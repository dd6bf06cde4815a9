# cmake -D PROGRAM=... -D FILE=... -P suites.cmake writes for ctest one test for each suite of a GoogleTest program.
# A process for each single test would load LibTorch a thousand times.
execute_process(COMMAND ${PROGRAM} --gtest_list_tests OUTPUT_VARIABLE listed COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "\n[^ \n]+[.]" suites "\n${listed}")
# A suite is passed over when a test skipped itself and none failed: then the list of those is the last that is printed.
set(skipped "listed below:\n(\\[  SKIPPED \\][^\n]*\n)+$")
set(script "")
foreach(suite IN LISTS suites)
  string(REGEX REPLACE "^\n(.*)[.]$" "\\1" suite "${suite}")
  string(APPEND script
    "add_test([==[${suite}]==] [==[${PROGRAM}]==] [==[--gtest_filter=${suite}.*]==])\n"
    "set_tests_properties([==[${suite}]==] PROPERTIES TIMEOUT 1200 ENVIRONMENT OMP_WAIT_POLICY=passive\n"
    "  SKIP_REGULAR_EXPRESSION [==[${skipped}]==])\n")
endforeach()
file(WRITE ${FILE} "${script}")
