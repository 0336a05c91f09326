// How many descriptors this process may have open.
#ifndef FRACTOS_LIB_RUNTIME_DESCRIPTOR_LIMIT_H_
#define FRACTOS_LIB_RUNTIME_DESCRIPTOR_LIMIT_H_

namespace fractos {

// Raises the soft limit to the hard one, for the sake of programs that use select(2) being far
// lower by default than what a daemon needs, which keeps a descriptor for each large value. Quietly
// does nothing where that is not allowed. What this process starts inherits it. From main, before
// there are threads.
void RaiseDescriptorLimit();

}  // namespace fractos

#endif  // FRACTOS_LIB_RUNTIME_DESCRIPTOR_LIMIT_H_
