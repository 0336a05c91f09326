"""A device in Python: turns what the cnn says of photographs into a page for people."""
import json

from fractos_adaptor import Device, Failure, serve


class Caption(Device):
    description = {
        "device": "caption", "stateful": False, "operations": [{
            "name": "page",
            "description": "A Markdown page with a line for every answer of cnn.classify.",
            "arguments": [{"name": "title", "type": "string", "description": "The page's title."}],
            "inputs": [{"name": "answers", "variadic": True,
                        "description": "What cnn.classify answered, by the photograph's name."}],
            "deterministic": True, "effect": "none"}]}

    def page(self, request):
        lines = ["# " + request.argument("title", default="Photographs"), ""]
        for name in sorted(request.inputs):
            try:
                first, second = json.loads(request.input(name))["labels"][:2]
            except (ValueError, KeyError, TypeError) as error:
                raise Failure("NotAnAnswer", f"input '{name}' is no answer of cnn.classify "
                              "with two labels") from error
            lines.append(f"* **{name}** shows {self.words(first)}, or else {self.words(second)}.")
        return "\n".join(lines) + "\n"

    @staticmethod
    def words(guess):
        sure = guess["probability"]
        how = "surely" if sure > 0.8 else "probably" if sure > 0.35 else "perhaps"
        article = "an" if guess["label"][0].lower() in "aeiou" else "a"
        return f"{how} {article} {guess['label']} ({sure:.0%})"


serve(Caption())
