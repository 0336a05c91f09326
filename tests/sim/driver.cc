// The driver of a simulated world, and its record store.
#include <algorithm>
#include <utility>

#include "tests/sim/world_impl.h"

namespace fractos::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

void World::StartDriver() {
  ++driver_life_;
  driver_boot_ = random_.NewId<BootId>();
  RunCore::Options options;
  options.self = {driver_address_, driver_boot_};
  options.seed = random_.Next();
  RunRecord record;
  record.run = run_;
  record.name = "sim";
  if (stored_.has_value()) record = *stored_;
  std::vector<ClusterView> views;
  for (int c = 0; c < options_.clusters; ++c) {
    views.push_back({ClusterName(c), std::vector<std::string>(options_.replicas, "sim"), 0, 0});
  }
  driver_ = std::make_unique<RunCore>(options, plan_, record, views);
  driver_ticking_ = Time::max();
  Note("driver starts");
  StepDriver([&](RunCore& core, DriverActions* actions) { core.Start(now_, actions); });
  for (Node& node : nodes_) {
    In(Between(milliseconds(1), milliseconds(30)), [this, &node, life = driver_life_] {
      if (driver_ == nullptr || driver_life_ != life || !node.alive) return;
      StepDriver([&](RunCore& core, DriverActions* actions) {
        core.LinkUp(now_, node.incarnation(), node.epoch, actions);
      });
      Step(node, [this, boot = driver_boot_](Core& core, Actions* actions) {
        core.LinkUp(now_, {driver_address_, boot}, 0, actions);
      });
    });
  }
}

void World::CrashDriver() {
  if (driver_ == nullptr || finished_) return;
  Cover(Fault::kDriver);
  Note("driver crashes");
  driver_.reset();
  In(Between(milliseconds(100), seconds(2)), [this] {
    if (driver_ == nullptr && !finished_) StartDriver();
  });
}

void World::StepDriver(const std::function<void(RunCore&, DriverActions*)>& event) {
  if (driver_ == nullptr) return;
  DriverActions actions;
  event(*driver_, &actions);
  CarryOut(std::move(actions));
  if (driver_ == nullptr) return;
  const std::optional<Time> next = driver_->NextTick();
  if (next.has_value() && *next < driver_ticking_) {
    driver_ticking_ = *next;
    if (trace_)
      Note(absl::StrCat(
          "arm driver ",
          std::chrono::duration_cast<std::chrono::microseconds>(*next - kStart).count()));
    At(std::max(*next, now_), [this, life = driver_life_, due = *next] {
      if (driver_ == nullptr || driver_life_ != life || driver_ticking_ != due) return;
      driver_ticking_ = Time::max();
      StepDriver([this](RunCore& core, DriverActions* more) { core.Tick(now_, more); });
    });
  }
}

void World::CarryOut(DriverActions actions) {
  const uint64_t life = driver_life_;
  for (DriverAction& action : actions) {
    if (auto* send = std::get_if<Send>(&action)) {
      Deliver({driver_address_, driver_boot_}, std::move(*send));
    } else if (auto* write = std::get_if<WriteRecord>(&action)) {
      In(Between(milliseconds(1), milliseconds(20)), [this, life, record = write->record] {
        // A write of a driver that died may have reached the store, or not.
        if (driver_life_ != life) return;
        if (driver_ == nullptr && random_.Below(2) == 0) return;
        checker_.OnWritten(stored_, record);
        stored_ = record;
        Note(absl::StrCat("written R=", record.redrive, " ", RunPhaseName(record.phase)));
        StepDriver([&](RunCore& core, DriverActions* more) {
          core.Written(now_, absl::OkStatus(), more);
        });
      });
    } else if (auto* pull = std::get_if<PullValue>(&action)) {
      In(Between(milliseconds(1), milliseconds(20)), [this, life, pull = *pull] {
        if (driver_ == nullptr || driver_life_ != life) return;
        absl::StatusOr<Value> value = absl::NotFoundError("gone");
        if (pull.value.IsInline() || CanRead(driver_address_, pull.value)) {
          Value own = pull.value;
          if (own.size <= kMaxInlineValueBytes) {
            own.inline_bytes = std::make_shared<const std::string>(checker_.BytesOf(own.digest));
          }
          value = own;
        }
        StepDriver(
            [&](RunCore& core, DriverActions* more) { core.Pulled(now_, pull.step, value, more); });
      });
    } else if (std::get_if<Finished>(&action) != nullptr) {
      finished_ = true;
      outcome_.finished = true;
      outcome_.record = driver_->record();
      outcome_.outputs = driver_->outputs();
      outcome_.redrives = outcome_.record.redrive - 1;
      Note("finished");
    }
  }
}

}  // namespace fractos::sim
