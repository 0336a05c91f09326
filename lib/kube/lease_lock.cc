#include "lib/kube/lease_lock.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace fractos::kube {

ObservedLease ReadLease(const Object& lease) {
  const Json& spec = lease.spec();
  ObservedLease observed;
  observed.record.holder_identity = StringMember(spec, "holderIdentity");
  observed.record.lease_duration_seconds = IntegerMember(spec, "leaseDurationSeconds");
  observed.record.acquire_time = StringMember(spec, "acquireTime");
  observed.record.renew_time = StringMember(spec, "renewTime");
  observed.record.lease_transitions = IntegerMember(spec, "leaseTransitions");
  observed.uid = lease.uid();
  observed.raw = absl::StrCat(lease.uid(), "\n", ToJsonText(spec));
  return observed;
}

LeaseLock::LeaseLock(Client* client, Options options)
    : client_(client), options_(std::move(options)) {}

std::string LeaseLock::Describe() const { return absl::StrCat(options_.ns, "/", options_.name); }

void LeaseLock::Write(const LeaderElectionRecord& record, Object* lease) const {
  Json& spec = lease->mutable_spec();
  spec["holderIdentity"] = record.holder_identity;
  spec["leaseDurationSeconds"] = record.lease_duration_seconds;
  spec["acquireTime"] = record.acquire_time;
  spec["renewTime"] = record.renew_time;
  spec["leaseTransitions"] = record.lease_transitions;
  for (const auto& [key, value] : options_.labels) lease->SetLabel(key, value);
  if (!options_.owner.is_null()) {
    lease->mutable_metadata()["ownerReferences"] = Json::array({options_.owner});
  }
}

absl::StatusOr<ObservedLease> LeaseLock::Keep(absl::StatusOr<Object> lease) {
  if (!lease.ok()) return lease.status();
  lease_ = *std::move(lease);
  return ReadLease(*lease_);
}

absl::StatusOr<ObservedLease> LeaseLock::Get(const Context& context) {
  return Keep(client_->Get(context, collection(), options_.name));
}

absl::StatusOr<ObservedLease> LeaseLock::Create(const Context& context,
                                                const LeaderElectionRecord& record) {
  Object lease(kLeases.ApiVersion(), "Lease", options_.ns, options_.name);
  Write(record, &lease);
  return Keep(client_->Create(context, collection(), lease, {}));
}

absl::StatusOr<ObservedLease> LeaseLock::Update(const Context& context,
                                                const LeaderElectionRecord& record) {
  if (!lease_) return absl::FailedPreconditionError("the Lease was neither read nor created yet");
  // The copy is kept as it was unless the server takes the new one.
  Object lease = *lease_;
  Write(record, &lease);
  return Keep(client_->Update(context, collection(), lease, {}));
}

}  // namespace fractos::kube
