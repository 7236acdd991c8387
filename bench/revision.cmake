# Writes into FILE which commit of ROOT is built, with + where its files were changed since; results
# tell it. What the driver writes itself changes nothing that is measured.
execute_process(
  COMMAND git -C "${ROOT}" rev-parse --short=12 HEAD
  OUTPUT_VARIABLE revision
  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
  RESULT_VARIABLE status)
if(status EQUAL 0)
  execute_process(
    COMMAND git -C "${ROOT}" status --porcelain --untracked-files=no -- . ":!bench/results"
    OUTPUT_VARIABLE changed
    ERROR_QUIET)
  if(changed)
    string(APPEND revision "+")
  endif()
else()
  # No checkout, or no git.
  set(revision "")
endif()
file(CONFIGURE OUTPUT "${FILE}" CONTENT "@revision@\n" @ONLY)
