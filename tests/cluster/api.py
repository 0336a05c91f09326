"""The API server, as this program asks it: JSON over HTTPS, with a certificate of the cluster's."""
import http.client
import json
import ssl

import certificates
import layout


class ApiError(Exception):
    """An answer that is no success. `code` is HTTP's."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class Api:
    """One user's view. A connection per request: it may be called from any thread."""

    def __init__(self, user="admin"):
        self._tls = ssl.create_default_context(cafile=certificates.certificate("ca"))
        self._tls.load_cert_chain(certificates.certificate(user), certificates.key(user))

    def get(self, path):
        return self._json("GET", path)

    def create(self, path, body):
        return self._json("POST", path, body)

    def delete(self, path):
        return self._json("DELETE", path)

    def ready(self):
        """Whether it answers at all, and says that it is ready."""
        try:
            return self._answer("GET", "/readyz", None, 5)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def watch(self, path, version):
        """Events after that resource version, until the server ends the stream."""
        connection = self._connect(330)
        try:
            connection.request("GET", f"{path}?watch=1&resourceVersion={version}"
                                      "&timeoutSeconds=300&allowWatchBookmarks=true")
            answer = connection.getresponse()
            if answer.status != 200:
                raise ApiError(answer.status, answer.read().decode(errors="replace"))
            for line in answer:
                yield json.loads(line)
        finally:
            connection.close()

    def _json(self, method, path, body=None):
        status, text = self._answer(method, path, body, 30)
        if status >= 300:
            raise ApiError(status, text[:500])
        return json.loads(text)

    def _answer(self, method, path, body, seconds):
        connection = self._connect(seconds)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body),
                               headers={"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def _connect(self, seconds):
        host, _, port = layout.API.removeprefix("https://").partition(":")
        return http.client.HTTPSConnection(host, int(port), timeout=seconds, context=self._tls)
