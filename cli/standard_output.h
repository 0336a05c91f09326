// What fractosctl makes of standard descriptors that are closed, and of a standard output that
// nobody reads, or that takes nothing more.
#ifndef FRACTOS_CLI_STANDARD_OUTPUT_H_
#define FRACTOS_CLI_STANDARD_OUTPUT_H_

#include "cli/exit_code.h"

namespace fractos {

// Opens those of the descriptors 0 to 2 that the caller has closed, lest the next file or lock be
// taken for one of them. Reading such an input and writing such an output still fails; what is said
// on such an error stream is lost. Ends the process where there is no /dev/null. Call first.
void OpenStandardDescriptors();

// A write to a pipe whose reader has gone fails from now on instead of ending the process, which
// would leave its folder behind. Children are not affected. Call before any thread starts.
void SurviveBrokenPipes();

// Call once, at the end: writes what is still buffered, and says whether all of the output got out.
// If not, a command that succeeded so far ends otherwise: quietly with kExitBrokenPipe when the
// reader has gone, as of `fractosctl run ... | head`; else with kExitFailed and a message.
int FinishOutput(int code);

}  // namespace fractos

#endif  // FRACTOS_CLI_STANDARD_OUTPUT_H_
