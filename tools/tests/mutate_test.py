"""Which mutations tools/mutate.py finds in a few lines of C++."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import mutate


def changed(text):
    return {(m.operator, m.after.strip()) for m in mutate.mutations_of("x.cc", text)}


class MutateTest(unittest.TestCase):
    def test_comparisons_and_connectives(self):
        found = changed("  x = a == b && c < 3;")
        self.assertIn(("comparison", "x = a != b && c < 3;"), found)
        self.assertIn(("comparison", "x = a == b && c <= 3;"), found)
        self.assertIn(("connective", "x = a == b || c < 3;"), found)
        self.assertIn(("constant", "x = a == b && c < 4;"), found)

    def test_conditions_are_negated_whole(self):
        self.assertIn(("condition", "if (!(f(a, (b)))) {"), changed("  if (f(a, (b))) {"))
        self.assertNotIn("condition", {o for o, _ in changed("  if (auto x = f(); x) {")})

    def test_statements_are_left_out_or_preceded_by_a_return(self):
        found = changed("void F() {\n  actions->push_back(x);\n}")
        self.assertIn(("statement", ";"), found)
        self.assertIn(("early return", "return; actions->push_back(x);"), found)
        self.assertEqual(changed("  int x = f(\n      a.b);"), set())

    def test_returned_values(self):
        self.assertIn(("return value", "if (x) return {};"), changed("  if (x) return y;"))

    def test_comments_and_literals_stay(self):
        self.assertEqual(changed('  // a == b\n  /* true */\n'), set())
        self.assertEqual({o for o, _ in changed('  f("a == 1", \'1\');')},
                         {"statement", "early return"})

    def test_every_mutation_changes_its_line(self):
        text = pathlib.Path(mutate.ROOT / "lib/base/ids.cc").read_text()
        for mutation in mutate.mutations_of("ids.cc", text):
            self.assertEqual(text.split("\n")[mutation.line - 1], mutation.before)
            self.assertNotEqual(mutation.before, mutation.after)


if __name__ == "__main__":
    unittest.main()
