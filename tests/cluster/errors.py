"""The one error that is shown to people as it is."""


class ClusterError(Exception):
    """Names the thing, the place and the way out."""
