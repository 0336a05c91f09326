"""The API server over one's own TLS connections, kept open: no kubectl is timed."""

import base64
import http.client
import json
import ssl
import tempfile
import threading
import time
import urllib.parse

import yaml


class Api:
    """Where the API server is, and who asks: the first user of a kubeconfig, with a certificate."""

    def __init__(self, kubeconfig):
        with open(kubeconfig, encoding="utf-8") as file:
            config = yaml.safe_load(file)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        where = urllib.parse.urlsplit(cluster["server"])
        self.host, self.port = where.hostname, where.port or 443
        self.tls = ssl.create_default_context(
            cadata=self._material(cluster, "certificate-authority").decode())
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(self._material(user, "client-certificate") + b"\n"
                       + self._material(user, "client-key"))
            pair.flush()
            self.tls.load_cert_chain(pair.name)

    @staticmethod
    def _material(entry, name):
        if name + "-data" in entry:
            return base64.b64decode(entry[name + "-data"])
        with open(entry[name], "rb") as file:
            return file.read()

    def connect(self, seconds=60):
        return http.client.HTTPSConnection(self.host, self.port, timeout=seconds, context=self.tls)


class Connection:
    """One connection, of one thread."""

    def __init__(self, api):
        self._connection = api.connect()
        self._connection.connect()

    def text(self, method, path, body=None):
        """(HTTP code, what was answered)"""
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, body=data,
                                 headers={"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def ask(self, method, path, body=None):
        """The JSON of an answer that is a success; raises OSError with any other."""
        code, text = self.text(method, path, body)
        if code >= 300:
            raise OSError(f"{method} {path}: {code}: {text[:500].decode(errors='replace')}")
        return json.loads(text)

    def close(self):
        self._connection.close()


class Watch(threading.Thread):
    """Gives every object of a list, and then every change, to take(object, deleted, when): `when`
    is time.monotonic() of the moment at which the line was read. Called from this thread."""

    def __init__(self, api, path, take):
        super().__init__(daemon=True)
        self._api, self._path, self._take = api, path, take
        self._stopping = False
        connection = Connection(api)
        first = connection.ask("GET", path)
        connection.close()
        now = time.monotonic()
        for one in first["items"]:
            take(one, False, now)
        self._version = first["metadata"]["resourceVersion"]
        self.problem = None
        self.start()

    def stop(self):
        self._stopping = True

    def run(self):
        while not self._stopping:
            try:
                self._follow()
            except (OSError, http.client.HTTPException) as why:
                self.problem = why  # said by whoever waits in vain; the watch goes on

    def _follow(self):
        connection = self._api.connect(seconds=330)
        try:
            connection.request("GET", f"{self._path}?watch=1&resourceVersion={self._version}"
                                      "&timeoutSeconds=300&allowWatchBookmarks=true")
            answer = connection.getresponse()
            if answer.status != 200:
                raise OSError(f"watch {self._path}: {answer.status}")
            for line in answer:
                when = time.monotonic()
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise OSError(f"watch {self._path}: {event['object']}")
                self._version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._take(event["object"], event["type"] == "DELETED", when)
                if self._stopping:
                    return
        finally:
            connection.close()
