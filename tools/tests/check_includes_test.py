"""Each rule of tools/check_includes.py, once kept and once broken."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import check_includes


def breaches(path, text):
    return [message for _, message in check_includes.check_file(path, text)]


class IncludesTest(unittest.TestCase):
    def assert_allowed(self, path, text):
        self.assertEqual(breaches(path, text), [])

    def assert_refused(self, path, text, part):
        found = breaches(path, text)
        self.assertEqual(len(found), 1, found)
        self.assertIn(part, found[0])

    def test_a_folder_includes_itself_and_what_is_below(self):
        self.assert_allowed("lib/plan/a.cc", '#include "lib/plan/a.h"\n#include "lib/base/ids.h"')
        self.assert_allowed("daemon/main.cc", '#include "daemon/device/device.h"')
        self.assert_allowed("cli/main.cc", '#include "lib/driver/core/run_core.h"')
        self.assert_allowed("tests/sim/sim.cc", '#include "daemon/continuation/core.h"')

    def test_nothing_includes_what_is_above_or_beside(self):
        self.assert_refused("lib/base/a.cc", '#include "lib/plan/a.h"', "lib/base may include only")
        self.assert_refused("lib/runtime/a.cc", '#include "lib/plan/a.h"', "lib/runtime may")
        self.assert_refused("daemon/main.cc", '#include "lib/driver/core/record.h"', "daemon may")
        self.assert_refused("daemon/continuation/a.cc", '#include "lib/link/link_table.h"', "may")
        self.assert_refused("lib/driver/core/a.cc", '#include "lib/driver/driver.h"', "core may")
        self.assert_refused("lib/memory/a.cc", '#include "lib/protocol/message.h"', "memory may")
        self.assert_refused("adaptors/math/a.cc", '#include "lib/plan/value.h"', "adaptors may")
        self.assert_refused("cli/main.cc", '#include "daemon/device/device.h"', "cli may")

    def test_embedded_texts_may_be_read_by_anybody(self):
        self.assert_allowed("cli/devices.cc", '#include "adaptors/math/operations.json.h"')

    def test_generated_types_stop_at_the_codecs(self):
        generated = '#include "fractos/v1/adaptor.pb.h"'
        for path in ("lib/link/encode.cc", "daemon/device/a.cc", "adaptors/kit/a.cc"):
            self.assert_allowed(path, generated)
        for path in ("lib/driver/a.cc", "adaptors/math/a.cc", "daemon/main.cc", "cli/main.cc"):
            self.assert_refused(path, generated, "generated types")
        self.assert_refused("lib/runtime/a.cc", '#include "fractos/v1/link.grpc.pb.h"', "generated")

    def test_grpc_stops_at_the_event_loop(self):
        self.assert_allowed("lib/runtime/event_loop.cc", "#include <grpcpp/completion_queue.h>")
        self.assert_refused("cli/main.cc", "#include <grpcpp/grpcpp.h>", "gRPC stops")
        self.assert_refused("lib/protocol/a.h", "#include <google/protobuf/message.h>", "gRPC")

    def test_cpprestsdk_stops_at_the_transport(self):
        for header in ("cpprest/http_client.h", "pplx/pplxtasks.h"):
            self.assert_allowed("lib/kube/cpprest_transport.cc", f"#include <{header}>")
            for path in ("lib/kube/rest_client.cc", "operator/main.cc",
                         "tests/unit/lib/kube/cpprest_transport_test.cc"):
                self.assert_refused(path, f"#include <{header}>", "cpprestsdk stops")

    def test_pure_folders_have_no_thread_clock_socket_or_chance(self):
        for header in ("thread", "mutex", "iostream", "fstream", "sys/socket.h", "random",
                       "absl/synchronization/mutex.h", "absl/time/clock.h"):
            self.assert_refused("daemon/continuation/core.cc", f"#include <{header}>", "is pure")
            self.assert_allowed("lib/link/link.cc", f"#include <{header}>")
        for call in ("std::chrono::steady_clock::now()", "std::this_thread::yield()", "rand()",
                     "getenv(name)", "std::random_device device"):
            self.assert_refused("lib/plan/a.cc", f"auto x = {call};", "is pure")
            self.assert_allowed("lib/runtime/a.cc", f"auto x = {call};")

    def test_the_implementations_behind_the_interfaces_are_named(self):
        now = "Time Now() { return std::chrono::steady_clock::now(); }"
        self.assert_allowed("lib/base/clock.h", now)
        self.assert_allowed("lib/base/random.cc", "#include <sys/random.h>")
        self.assert_refused("lib/base/ids.h", now, "is pure")

    def test_comments_are_no_code(self):
        self.assert_allowed("lib/plan/a.cc", "// rand() would do\n/* getenv(x)\n rand() */")

    def test_includes_are_written_from_the_root(self):
        self.assert_refused("cli/main.cc", '#include "main.h"', "from the root")

    def test_a_folder_without_a_rule_is_refused(self):
        self.assert_refused("misc/a.cc", "", "no rule")


if __name__ == "__main__":
    unittest.main()
