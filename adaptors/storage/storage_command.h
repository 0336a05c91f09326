// Putting a file into a storage and getting one out from the command line.
#ifndef FRACTOS_ADAPTORS_STORAGE_STORAGE_COMMAND_H_
#define FRACTOS_ADAPTORS_STORAGE_STORAGE_COMMAND_H_

#include <string>
#include <vector>

namespace fractos {

// "put KEY [--options JSON] [--size BYTES]" stores standard input, "get KEY [--options JSON]
// [--sum]" writes to standard output. Relative roots are relative to the working directory, and
// "data" without options. Returns the exit code: 0, 1 when the storage refuses, 2 for wrong
// arguments; says why on stderr.
//
// For callers at the other end of a connection, where a break looks like an end: with --size input
// of any other length is refused, nothing of it being stored; --sum ends stderr with a line
// "sum BYTES SHA256" once all is written.
int StorageCommand(const std::vector<std::string>& arguments);

}  // namespace fractos

#endif  // FRACTOS_ADAPTORS_STORAGE_STORAGE_COMMAND_H_
