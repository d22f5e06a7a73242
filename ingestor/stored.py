"""What the API can read back: journal records, and how everything stands."""

from collections.abc import Callable

from ingestor.intake import Intake
from ingestor.projector import Cursors, Projector
from ingestor.standing import Source, Standing, numbering
from ingestor.status import SinkStatus, SiteStatus, SourceStatus, Status, StreamStatus
from ingestor.streams import Stream
from wire.journal import Record, SqliteReader
from wire.journal.remote import SiteHead

_MOST_PAGE_BYTES = 8 * 1024 * 1024
_AT_ONCE = 8  # records read together: a segment may have megabytes


class Stored:
    """Reads only; for one thread that is not the journal's."""

    def __init__(
        self,
        intake: Intake,
        journal: SqliteReader,
        cursors: Cursors,
        projectors: dict[str, Projector],
        has_link: Callable[[], bool],
    ) -> None:
        self._intake = intake
        self._journal = journal
        self._cursors = cursors
        self._projectors = projectors
        self._has_link = has_link

    def heads(self) -> list[SiteHead]:
        """How far every site's journal goes."""
        return [SiteHead(site, *self._journal.head(site)) for site in self._journal.sites()]

    def page(self, site: str, after: int, limit: int, kind: str, key: str) -> list[Record]:
        """Records above `after`, at most `limit`, and no more than fit one answer but for the first."""
        if key:
            found = self._journal.find(site, kind, key)
            return [found] if found else []
        page: list[Record] = []
        size = 0
        while size < _MOST_PAGE_BYTES and len(page) < limit:
            few = min(limit - len(page), _AT_ONCE)
            if kind:
                more = self._journal.some_of_kind(site, kind, after, few)
            else:
                more = self._journal.read(site, after, few)
            for record in more:
                size += len(record.data)
                if page and size > _MOST_PAGE_BYTES:
                    return page
                page.append(record)
                after = record.offset
            if len(more) < few:
                break
        return page

    def status(self) -> Status:
        """Everything per site; counters of receipts, duplicates and the like since the start."""
        sites = self._intake.standings.copy()
        return Status(
            "connected" if self._has_link() else "not connected",
            {site: self._site(its) for site, its in sites.items()},
        )

    def close(self) -> None:
        self._journal.close()

    def _site(self, standing: Standing) -> SiteStatus:
        site = standing.site
        counts = self._intake.counts
        streams = {
            name: StreamStatus(
                stream.upto,
                self._intake.held.gaps(stream),
                [(lost.first, lost.last) for lost in stream.lost],
            )
            for name, stream in self._streams(standing).items()
        }
        sinks = {
            name: SinkStatus(projector.state, self._cursors.get(name, site))
            for name, projector in self._projectors.items()
        }
        gateways = {
            gateway: state
            for (where, gateway), state in self._intake.gateways.copy().items()
            if where == site
        }
        return SiteStatus(
            standing.offset,
            standing.segments,
            standing.readings,
            standing.events,
            counts[site, "receipts"],
            counts[site, "duplicates"],
            counts[site, "quarantined"],
            counts[site, "refused"],
            streams=streams,
            sources=self._sources(standing),
            gateways=gateways,
            sinks=sinks,
        )

    def _streams(self, standing: Standing) -> dict[str, Stream]:
        """Also those of which the journal has nothing yet, because their first segment is missing."""
        streams = standing.streams.copy()
        for name in self._intake.held.streams(standing.site) - streams.keys():
            gateway, _, stream = name.partition("/")
            streams[name] = standing.stream(gateway, stream)
        return streams

    def _sources(self, standing: Standing) -> dict[str, SourceStatus]:
        """A source's events end where its last heartbeat says so, received or not."""
        beats = {
            numbering(source, epoch): beat
            for (site, source, epoch), beat in self._intake.events.heartbeats.copy().items()
            if site == standing.site
        }
        found = {}
        for name in sorted(standing.sources.keys() | beats.keys()):
            source, beat = standing.sources.get(name, Source()), beats.get(name)
            gaps = source.gaps(beat.n if beat else 0)
            found[name] = SourceStatus(source.upto, gaps, beat.heartbeat if beat else None)
        return found
