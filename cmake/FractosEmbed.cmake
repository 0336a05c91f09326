# fractos_embed(<target> <file> <symbol>): gives <target> a header "<file>.h" (the file's path from
# the source root) with `inline constexpr absl::string_view fractos::<symbol>`: the file's text.
#
# Written when CMake runs rather than by a build rule, so that two targets in different folders may
# embed the same file; a changed file makes CMake run again.
function(fractos_embed target file symbol)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${file})
  file(READ ${CMAKE_SOURCE_DIR}/${file} text)
  string(MAKE_C_IDENTIFIER "FRACTOS_${file}_H_" guard)
  string(TOUPPER ${guard} guard)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/embedded/${file}.h @ONLY CONTENT
"// The text of @file@.
#ifndef @guard@
#define @guard@

#include \"absl/strings/string_view.h\"

namespace fractos {

inline constexpr absl::string_view @symbol@ = R\"FRACTOS_EMBED(@text@)FRACTOS_EMBED\";

}  // namespace fractos

#endif  // @guard@
")
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "INTERFACE_LIBRARY")
    target_include_directories(${target} INTERFACE ${CMAKE_BINARY_DIR}/embedded)
  else()
    target_include_directories(${target} PUBLIC ${CMAKE_BINARY_DIR}/embedded)
  endif()
endfunction()
