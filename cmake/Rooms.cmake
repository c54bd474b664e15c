# Precompiled headers: the standard library (and gtest) are parsed once a build instead of once a file, which halves a build from
# nothing. Off in the preset debug, where ccache makes rebuilds quick and a missing include should show.
option(THREEFS_PCH "precompile the standard headers" OFF)
set(THREEFS_PCH_STD <algorithm> <array> <atomic> <chrono> <coroutine> <cstdint> <cstring> <deque> <functional> <map> <memory> <mutex>
    <optional> <span> <string> <string_view> <unordered_map> <utility> <variant> <vector> <fmt/core.h>)
if(THREEFS_PCH)
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/pch.cc CONTENT "// The source a precompiled header hangs on.\n")
  add_library(threefs_pch STATIC ${CMAKE_BINARY_DIR}/pch.cc)
  target_link_libraries(threefs_pch PRIVATE fmt::fmt)
  target_precompile_headers(threefs_pch PRIVATE ${THREEFS_PCH_STD})
  add_executable(threefs_pch_test EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/pch.cc)
  target_link_libraries(threefs_pch_test PRIVATE fmt::fmt GTest::gmock GTest::gtest_main)
  target_precompile_headers(threefs_pch_test PRIVATE ${THREEFS_PCH_STD} <gmock/gmock.h> <gtest/gtest.h>)
  target_compile_options(threefs_pch_test PRIVATE -O0)  # as threefs_test
endif()

function(threefs_use_pch TARGET FROM)
  if(THREEFS_PCH)
    target_precompile_headers(${TARGET} REUSE_FROM ${FROM})
  endif()
endfunction()

# NO_PCH: for what links gRPC, whose -pthread the precompiled header was not made with.
# threefs_room(NAME client_base SOURCES ... DEPS ...): one static library a room; tests link rooms, never sources.
# Includes are written from the repository's root: #include "client/base/status.h".
function(threefs_room)
  cmake_parse_arguments(R "NO_PCH" "NAME" "SOURCES;DEPS" ${ARGN})
  if(R_SOURCES)
    add_library(${R_NAME} STATIC ${R_SOURCES})
    target_include_directories(${R_NAME} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
    target_link_libraries(${R_NAME} PUBLIC ${R_DEPS})
    if(NOT R_NO_PCH)
      threefs_use_pch(${R_NAME} threefs_pch)
    endif()
  else()
    add_library(${R_NAME} INTERFACE)
    target_include_directories(${R_NAME} INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
    target_link_libraries(${R_NAME} INTERFACE ${R_DEPS})
  endif()
endfunction()

# threefs_program(NAME threefs-x SOURCES ... DEPS ...): an executable, collected in <build>/bin.
function(threefs_program)
  cmake_parse_arguments(P "" "NAME" "SOURCES;DEPS" ${ARGN})
  add_executable(${P_NAME} ${P_SOURCES})
  target_include_directories(${P_NAME} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
  target_link_libraries(${P_NAME} PRIVATE ${P_DEPS})
  set_target_properties(${P_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# threefs_test(NAME x_test SOURCES ... DEPS ... [LABELS unit]): a gtest binary, one ctest entry.
function(threefs_test)
  cmake_parse_arguments(T "NO_PCH" "NAME;TIMEOUT" "SOURCES;DEPS;LABELS;ARGS" ${ARGN})
  add_executable(${T_NAME} ${T_SOURCES})
  target_include_directories(${T_NAME} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
  target_link_libraries(${T_NAME} PRIVATE ${T_DEPS} GTest::gmock GTest::gtest_main)
  if(NOT T_NO_PCH)
    threefs_use_pch(${T_NAME} threefs_pch_test)
  endif()
  # The rooms under test keep the preset's optimisation; the tests' own code only has to compile quickly.
  target_compile_options(${T_NAME} PRIVATE -O0)
  set_target_properties(${T_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${T_NAME} COMMAND ${T_NAME} ${T_ARGS} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(NOT T_LABELS)
    set(T_LABELS unit)
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  set_tests_properties(${T_NAME} PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${T_TIMEOUT})
endfunction()

# threefs_fuzzer(NAME frame_fuzz SOURCES ... DEPS ...): a libFuzzer program in <build>/fuzz, built only with THREEFS_FUZZ (preset asan).
# Its corpus is the folder tests/fuzz/corpus/<NAME>; tests/fuzz/run runs them all.
function(threefs_fuzzer)
  cmake_parse_arguments(F "" "NAME" "SOURCES;DEPS" ${ARGN})
  if(NOT THREEFS_FUZZ)
    return()
  endif()
  add_executable(${F_NAME} ${F_SOURCES})
  target_include_directories(${F_NAME} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
  target_link_libraries(${F_NAME} PRIVATE ${F_DEPS})
  target_link_options(${F_NAME} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${F_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  if(NOT TARGET fuzzers)
    add_custom_target(fuzzers)
  endif()
  add_dependencies(fuzzers ${F_NAME})
endfunction()
