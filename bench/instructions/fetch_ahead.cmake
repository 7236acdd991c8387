# Fails if one of the FUNCTIONS of LIBRARY, separated by |, has no instruction that fetches ahead.
execute_process(
  COMMAND "${OBJDUMP}" --disassemble --demangle --no-show-raw-insn "${LIBRARY}"
  OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "|" ";" functions "${FUNCTIONS}")
foreach(function IN LISTS functions)
  string(FIND "${text}" "<${function}>:\n" begin)
  if(begin EQUAL -1)
    message(FATAL_ERROR "${LIBRARY} has no function ${function}")
  endif()
  string(SUBSTRING "${text}" ${begin} -1 body)
  string(FIND "${body}" "\n\n" end)
  string(SUBSTRING "${body}" 0 ${end} body)
  # By its name on x86 and on Arm.
  if(NOT body MATCHES "\t(prefetch|prfm|pld)")
    message(FATAL_ERROR "${function} fetches nothing ahead")
  endif()
endforeach()
