#include "lib/kube/client.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "lib/kube/errors.h"

namespace fractos::kube {

std::string Collection::ToString() const {
  return ns.empty() ? absl::StrCat(resource.GroupResource(), " in all namespaces")
                    : absl::StrCat(resource.GroupResource(), " in namespace ", ns);
}

absl::StatusOr<Pager::Result> Pager::List(const Context& context, const Collection& collection,
                                          ListOptions options) const {
  if (options.limit == 0) options.limit = page_size_;
  const std::string requested = options.resource_version;
  const std::string requested_match = options.resource_version_match;
  Result result;
  for (;;) {
    absl::StatusOr<ObjectList> page = client_->List(context, collection, options);
    if (!page.ok()) {
      // On the first page it is the version asked for that is too old: the caller's matter.
      if (!IsExpired(page.status()) || options.continue_token.empty()) return page.status();
      options.limit = 0;
      options.continue_token.clear();
      options.resource_version = requested;
      options.resource_version_match = requested_match;
      page = client_->List(context, collection, options);
      if (!page.ok()) return page.status();
      result.list = *std::move(page);
      return result;
    }
    if (!result.paginated) {
      result.list = *std::move(page);
      options.continue_token = std::move(result.list.continue_token);
      result.list.continue_token.clear();
      result.list.remaining_item_count = 0;
    } else {
      result.list.items.insert(result.list.items.end(),
                               std::make_move_iterator(page->items.begin()),
                               std::make_move_iterator(page->items.end()));
      options.continue_token = std::move(page->continue_token);
    }
    if (options.continue_token.empty()) return result;
    // A server refuses a version beside a continue token, which holds one.
    options.resource_version.clear();
    options.resource_version_match.clear();
    result.paginated = true;
  }
}

}  // namespace fractos::kube
