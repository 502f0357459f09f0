package sources

import (
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// What connections, streams and the ledger are tuned with and tell. The packages that
// declare these types are the engine's own, and may move.
type (
	// ConnectionConfig tunes the connection to a member. Each zero field means its
	// default, which is that of Config; CachesOptions has other delays. Less than 0 is an
	// error: its method Validate returns all of them, and WithDefaults fills in what is
	// zero. With an error, NewCaches fails; a Sources logs it and follows no member.
	//
	//   - ConnectTimeout time.Duration bounds dialing, the TLS handshake and one whole
	//     probe. Default 30 s.
	//   - ReconnectMin time.Duration bounds the first delay after a failed probe, which is
	//     drawn from zero to this. Default 1 s.
	//   - ReconnectMax time.Duration bounds every later delay of a member that answers and
	//     refuses. At least ReconnectMin. Default 1 min.
	//   - ReachInterval time.Duration is the least time between two reachability probes of
	//     a member that does not answer. At most ReconnectMax. Default 5 s.
	//   - HealthInterval time.Duration is the time between probes of a live member, give
	//     or take a fifth. Default 1 min.
	//   - QPS float64 is how many requests per second all users of the connection may send
	//     together. Default 20.
	//   - Burst int is how many requests may be sent at once above QPS. Default 40.
	//   - MaxAnswer int64 bounds what one answer that is read whole may take in memory, in
	//     bytes. Default 1 GiB.
	ConnectionConfig = connection.Config

	// ConnectionStatus is where a member's connection stands. It holds no credentials.
	//
	//   - Cluster string is the member's name.
	//   - State member.State, Reason string and Since time.Time: where it stands, why (in a
	//     few words, empty when live), and since when.
	//   - LastError string and LastErrorAt time.Time: the newest failed probe or call. They
	//     stay when the member recovers.
	//   - Attempt int counts the probes that failed since the member was last live.
	//   - NextRetry time.Time is when the next probe is due. Zero while one is under way,
	//     and while the member is live or paused.
	//   - ClusterUID string is the cluster's identity, empty until it is known; ByDigest
	//     bool tells that it is only a digest of server URL and CA.
	//   - ServerVersion string is what the API server says of itself.
	//   - StaleStreams []string are the streams that have been silent for too long, sorted.
	//   - Probes, ReachabilityProbes map[string]uint64 count probes by result, Reconnects
	//     map[string]uint64 lost and replaced connections by reason.
	ConnectionStatus = connection.Status

	// StreamConfig tunes the streams of a Sources. Each zero field means its default. Less
	// than 0 is an error, which its method Validate returns, save for AuditInterval. New
	// does not ask Validate: do so before.
	//
	//   - ReconnectMin time.Duration is the longest first delay after a failure; later ones
	//     double. Default 1 s.
	//   - ReconnectMax time.Duration is the longest delay between attempts. At least
	//     ReconnectMin. Default 1 min.
	//   - SyncTimeout time.Duration is how long a snapshot may take. Time in which the lane
	//     is full does not count. Default 10 min.
	//   - StaleAfter time.Duration is how long a watch may be silent before it is cut and
	//     opened again. Default 3 min.
	//   - AuditInterval time.Duration is how often the ledger is compared with what the
	//     server has, give or take a fifth. Default 24 h; less than 0: never.
	//   - SurveyInterval time.Duration is how often a member is asked whether it serves
	//     other resources than before, if there are wildcards. Default 30 s.
	//   - SecretValues bool lets the values of core Secrets leave the member. False: only
	//     their metadata is asked for, and passed on.
	StreamConfig = stream.Config

	// StreamStatus is where one stream stands, and what it has done since it was made.
	// Counts are of that time, and times are zero until there is something.
	//
	//   - Cluster, Stream and Resource string: the member's name, the Spec in its canonical
	//     form, and the resource with its group (empty until discovered). Wildcard string is
	//     the wildcard that stands for the Spec, empty if there is none.
	//   - State member.State, Since time.Time and Reason string: where it stands, since
	//     when, and why (empty while all is well).
	//   - LastError string and LastErrorAt time.Time: what went wrong last, also if all is
	//     well again.
	//   - Attempt int counts the attempts in a row that did not last; NextRetry time.Time
	//     is when the next one is due.
	//   - LastFrame time.Time is when the server last said something.
	//   - Observed uint64 counts states that were read; of these Duplicate were accepted by
	//     sinks before, and Outdated older than what sinks accepted. Tombstones counts
	//     deletions that no watch told of.
	//   - Bytes uint64 are those read from the server, uncompressed.
	//   - Snapshots, Reconnects, Rejected and Audits map[string]uint64 count snapshots,
	//     lost connections and frames not handed on by reason, and audits by result.
	//     AuditDifferences uint64 counts objects that an audit found to differ.
	//     LastRejected and LastDifference time.Time are when there was such a frame or
	//     object last. Reduced int is of how many objects the newest state was delivered
	//     without its contents, because these were rejected.
	//   - Missing int is how many objects were left out because the member may have no more
	//     in the ledger, see Quota.
	//   - Known int is how many objects a sink may hold; of several routes, the most.
	//   - Unacked int is how many changes sinks have not accepted yet, of all routes;
	//     OldestUnacked time.Time is when the oldest of them was observed.
	//   - Routes []RouteStatus, in the order of Options.Routes.
	//
	// Its method Connected reports whether the stream reads from its member.
	StreamStatus = stream.Status

	// RouteStatus is where one route stands in a stream.
	//
	//   - Route string is its name.
	//   - InStep bool tells whether it shares the stream's watch, Since time.Time since when
	//     that is so, and Why string why it does not.
	//   - State member.State and Reason string are those of its own watch, empty while it
	//     has none.
	//   - Position string is the resourceVersion of the last frame that it has dealt with,
	//     empty while it needs a snapshot.
	//   - Known int is how many objects the sink may hold, Unacked int how many have
	//     changes that it has not accepted; OldestUnacked time.Time is when the oldest of
	//     these was observed, zero if there is none.
	RouteStatus = stream.RouteStatus

	// Sight is one object at one moment, see Sources.Look.
	//
	//   - Stream StreamStatus is that of the stream that follows it.
	//   - Asked bool is whether the member has answered; Error string is why not.
	//   - Exists bool is whether it has the object; UID and ResourceVersion string are that
	//     one's. Selector string is what the API server was asked to select by, if that
	//     leaves the object out.
	//   - Routes []RouteSight, in the order of Options.Routes.
	Sight = stream.Sight

	// RouteSight is one object as one route knows it.
	//
	//   - Route string is its name.
	//   - AckedUID and AckedVersion string: what the sink has accepted last, empty if
	//     nothing; Known bool: it may hold the object; Due bool: the accepted state is to be
	//     delivered again; Gone string: the version of the last deletion that it accepted.
	//   - Pending bool: a state was observed and is not accepted yet, since PendingSince
	//     time.Time. PendingVersion string is the newest one's, PendingDeletion bool says
	//     that it is a deletion, Begun bool that it was taken from the queue, and Unstored
	//     bool that the ledger has to store that first.
	//   - Position string is the version up to which the stream has read, empty while it
	//     needs a snapshot. Partial bool: a snapshot has left objects out, for lack of room.
	//   - Reached bool: it has read all that there was at the object's version. Unmet
	//     []string are the expressions that do not select it. FilterError string is why one
	//     could not be evaluated. Unchanged bool: nothing that counts has changed.
	RouteSight = stream.RouteSight

	// Spec says what to follow in every member. ParseSpecs makes it of text. The zero
	// value is not valid.
	//
	//   - Resource string: plural, singular or short name, lower case; or "*", which is a
	//     wildcard: it stands for all resources of the group, also those that come later.
	//     Required.
	//   - Group string: the API group. Empty: the core group, or else the one group that
	//     has the resource; of a wildcard, all groups.
	//   - Version string. Empty: the version that the member prefers.
	//   - Namespace string. Empty: all namespaces.
	//   - Labels and Fields string: selectors. Empty: everything.
	//   - Metadata bool asks for the metadata of objects only.
	Spec = stream.Spec

	// SurveyStatus is where the survey stands that finds out which resources of a member
	// wildcards stand for.
	//
	//   - Wildcards []string are the wildcards.
	//   - State member.State, Since time.Time and Reason string: where it stands, since
	//     when, and why (empty while all is well).
	//   - LastError string and LastErrorAt time.Time: what went wrong last, also if all is
	//     well again.
	//   - LookedAt time.Time is when the member last said what it serves.
	//   - Streams int is how many streams there are because of wildcards.
	//   - LeftOut are resources that wildcards stand for and that are not followed, each
	//     with its Resource and Reason string: the first hundred of LeftOutCount int. Beyond
	//     int counts those for which there is no place, see Config.MaxStreams.
	SurveyStatus = stream.SurveyStatus

	// LeftOut is a resource that wildcards stand for and that is not followed: its
	// Resource string, with its group, and the Reason string.
	LeftOut = stream.LeftOut

	// Quota bounds what one member may take in the ledger for each route, over all of its
	// streams. Beyond it no object is taken in that the ledger does not know. In
	// Config.Quota, 0 means the default of each field, and less than 0 no bound.
	//
	//   - Objects int is how many names are remembered: of objects, and of deletions.
	//     Default DefaultMaxObjects.
	//   - Bytes int64 is what these take: the bytes of namespace and name, and 64 for each;
	//     and UIDs that are no UUIDs. Default DefaultMaxLedgerBytes.
	Quota = ledger.Quota

	// Redelivery is a state that Sources.Redeliver sends again. It has two methods:
	//
	//   - Settled() <-chan struct{} is closed when the sink has accepted the state or a
	//     newer one of its object, or when the ledger has forgotten that it is sent.
	//   - Acked() bool reports, once Settled is closed, whether the sink has accepted one.
	Redelivery = ledger.Redelivery
)

// ErrLaneFull says that Comparison.Bury has found no room for a deletion in its lane.
var ErrLaneFull = stream.ErrLaneFull

// Why Sources.Redeliver and Sources.RedeliverGhost have not sent a state again.
var (
	// ErrSuperseded: it is not the newest known of its object any more.
	ErrSuperseded = stream.ErrSuperseded
	// ErrNameTaken: it is a deletion for RedeliverGhost, as another object has the name by now.
	ErrNameTaken = stream.ErrNameTaken
	// ErrNotNow: another state of its name is on its way, or a snapshot is; try again.
	ErrNotNow = stream.ErrNotNow
)

// ParseSpecs parses values of --watch, each of which is one spec or several, separated
// by commas:
//
//	resource[.group][/version][?namespace=...&labelSelector=...&fieldSelector=...&mode=metadata]
//
// The resource "*" is a wildcard. It has no version.
// Two specs that would follow the same objects are refused. All errors are returned at
// once, and say what to write instead.
func ParseSpecs(values ...string) ([]Spec, error) { return stream.ParseSpecs(values) }

// ParseExclusions parses values of --watch-exclude, each of which is resource[.group],
// *.group or several of them, separated by commas: what no wildcard stands for. All errors
// are returned at once.
func ParseExclusions(values ...string) ([]Spec, error) { return stream.ParseExclusions(values) }
