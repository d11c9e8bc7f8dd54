"""The dashboard: pages for people, and the stream of events that they live on.

``assets`` serves the files in ``static``; ``tallies`` counts each key's programs; ``views`` says what a page may know
now; ``deltas`` what of that is new; ``watching`` sends it.
"""

from dynasor.serving.dashboard.tallies import Tallies
from dynasor.serving.dashboard.views import Views
from dynasor.serving.dashboard.watchers import Watchers

__all__ = ["Tallies", "Views", "Watchers"]
