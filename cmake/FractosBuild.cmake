# How every target of this project is built: one static library per folder, warnings on,
# ccache and mold when the machine has them.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

add_library(fractos_options INTERFACE)
target_include_directories(fractos_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(fractos_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  $<$<BOOL:${FRACTOS_WERROR}>:-Werror>
  # gcc 12 sees uninitialized members in std::optional where there are none (its bug 80635), the
  # more so under sanitizers, and these find the real ones.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
target_compile_definitions(fractos_options INTERFACE
  FRACTOS_VERSION="${PROJECT_VERSION}"
  $<$<BOOL:${FRACTOS_FAILPOINTS}>:FRACTOS_FAILPOINTS>)

# What every program and every test links on top of what it names.
set(FRACTOS_EXECUTABLE_DEPS fractos_options)
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=thread")
  add_library(fractos_thread_sanitizer OBJECT tests/sanitizers/thread_sanitizer.cc)
  list(APPEND FRACTOS_EXECUTABLE_DEPS fractos_thread_sanitizer)
endif()

# fractos_library(base SOURCES a.cc b.cc DEPS absl::status): the static library of one folder.
# The name is the folder's path with underscores; a folder with headers only names no sources.
function(fractos_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(ARG_SOURCES)
    add_library(fractos_${name} STATIC ${ARG_SOURCES})
    target_link_libraries(fractos_${name} PUBLIC fractos_options ${ARG_DEPS})
  else()
    add_library(fractos_${name} INTERFACE)
    target_link_libraries(fractos_${name} INTERFACE fractos_options ${ARG_DEPS})
  endif()
endfunction()

# What ships, so that `make build` need not build the tests and the benchmark.
add_custom_target(programs)

# fractos_program(fractosctl SOURCES main.cc DEPS fractos_driver): lands in <build>/bin. All ship and
# are installed, save what stands in bench/ and tests/.
function(fractos_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${FRACTOS_EXECUTABLE_DEPS} ${ARG_DEPS})
  file(RELATIVE_PATH folder ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  if(NOT folder MATCHES "^(bench|tests)")
    add_dependencies(programs ${name})
    install(TARGETS ${name} RUNTIME)
  endif()
endfunction()

# All tests' binaries, and those of one label, so that nobody need build the rest to run them.
add_custom_target(tests)
add_custom_target(tests_unit)
add_custom_target(tests_sim)

# fractos_test(unit_lib_base SOURCES ... DEPS ... [LABELS unit]): one gtest binary, one ctest entry.
function(fractos_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${FRACTOS_EXECUTABLE_DEPS} ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_compile_definitions(${name} PRIVATE FRACTOS_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                                             FRACTOS_BIN_DIR="${CMAKE_BINARY_DIR}/bin")
  add_test(NAME ${name} COMMAND ${name})
  # A test that hangs has failed. Seconds, for a busy machine.
  set(timeout 600)
  if("unit" IN_LIST ARG_LABELS)
    set(timeout 120)
  endif()
  if(CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    math(EXPR timeout "${timeout} * 3")
    set_tests_properties(${name} PROPERTIES ENVIRONMENT
      LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/lsan.supp)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout})
  add_dependencies(tests ${name})
  if(ARG_LABELS)
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}")
    foreach(label ${ARG_LABELS})
      if(NOT TARGET tests_${label})
        add_custom_target(tests_${label})
      endif()
      add_dependencies(tests_${label} ${name})
    endforeach()
  endif()
endfunction()
