// How many descriptors this process may have open.
#ifndef FRACTOS_LIB_BASE_DESCRIPTOR_LIMIT_H_
#define FRACTOS_LIB_BASE_DESCRIPTOR_LIMIT_H_

namespace fractos {

// Raises the soft limit to the hard one. The default is low for the sake of programs that use
// select(2); a daemon keeps a descriptor for each large value, and an adaptor one for each large
// input, and they need more. Quietly does nothing where that is not allowed. What this process
// starts inherits it. From main, before there are threads.
void RaiseDescriptorLimit();

}  // namespace fractos

#endif  // FRACTOS_LIB_BASE_DESCRIPTOR_LIMIT_H_
