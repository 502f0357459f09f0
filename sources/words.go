package sources

import (
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// What connections, streams and the ledger are tuned with and tell. The packages that
// declare these types are the engine's own, and may move.
type (
	// ConnectionConfig tunes the connection to a member: timeouts, delays, the limit of
	// requests. Each zero field means its default.
	ConnectionConfig = connection.Config
	// ConnectionStatus is where a member's connection stands. It holds no credentials.
	ConnectionStatus = connection.Status
	// StreamConfig tunes the streams of a Sources. Each zero field means its default.
	StreamConfig = stream.Config
	// StreamStatus is where one stream stands, and what it has done since it was made.
	StreamStatus = stream.Status
	// RouteStatus is where one route stands in a stream.
	RouteStatus = stream.RouteStatus
	// Spec says what to follow in every member. ParseSpecs makes it of text.
	Spec = stream.Spec
	// Quota bounds what one member may take in the ledger for each route.
	Quota = ledger.Quota
	// Redelivery is a state that Sources.Retry sends again. Settled is closed when the
	// sink has accepted it or a newer state of its object; Acked tells then which.
	Redelivery = ledger.Retried
)

// ErrSuperseded says that Sources.Retry has not sent a state again: it is not the newest
// known of its object any more, or it is on its way already.
var ErrSuperseded = stream.ErrSuperseded

// ParseSpecs parses values of --watch, each of which is one spec or several, separated
// by commas:
//
//	resource[.group][/version][?namespace=...&labelSelector=...&fieldSelector=...&mode=metadata]
//
// Two specs that would follow the same objects are refused. All errors are returned at
// once, and say what to write instead.
func ParseSpecs(values ...string) ([]Spec, error) { return stream.ParseSpecs(values) }
