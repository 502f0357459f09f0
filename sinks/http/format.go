package httpsink

import (
	"context"
	"net/http"
	"net/url"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// Format names how changes are written into requests.
type Format string

// The formats. Those up to Binary, and Slack, send one change in each request.
const (
	Structured    Format = "structured"    // a CloudEvent in structured mode
	Binary        Format = "binary"        // a CloudEvent in binary mode
	Batch         Format = "batch"         // CloudEvents in batched mode
	Elasticsearch Format = "elasticsearch" // the bulk API of Elasticsearch and OpenSearch
	Loki          Format = "loki"          // the push API of Loki
	VictoriaLogs  Format = "victorialogs"  // the JSON stream API of VictoriaLogs
	Splunk        Format = "splunk"        // the HTTP event collector of Splunk
	ClickHouse    Format = "clickhouse"    // INSERT ... FORMAT JSONEachRow
	Slack         Format = "slack"         // an incoming webhook of Slack
	Template      Format = "template"      // what a template says
)

// formats are all of them, in the order in which they are shown.
var formats = []Format{Structured, Binary, Batch, Elasticsearch, Loki, VictoriaLogs, Splunk, ClickHouse, Slack, Template}

// wire is how changes become the body of a request, and what its answer says.
type wire struct {
	// single: one change in each request.
	single bool
	// path and query are those of a URL that has none.
	path  string
	query url.Values
	// contentType is that of the body. Empty: header sets it.
	contentType string
	// authorization is the scheme of a token. Empty: Bearer.
	authorization string
	// open, between and end stand around the changes.
	open, between, end string
	// append appends one change. An error is about that change alone.
	append func(dst []byte, c *pipeline.Change) ([]byte, error)
	// head appends what append does before the object of a change that has one, and tail
	// stands behind it, if it is sent as it is but for line ends, which become spaces. Nil: it
	// is sent otherwise.
	head func(dst []byte, c *pipeline.Change) []byte
	tail string
	// header adds what is special to the request of a change. Nil: nothing is.
	header func(h http.Header, c *pipeline.Change)
	// verdict says what an answer with a status of success means for the changes: an
	// error for each that was not accepted, or one about all. Nil: the status is enough.
	verdict func(answer []byte, changes []*pipeline.Change) (map[int]error, error)
	// check asks the server for Check. Nil: no request of the format is known to do no harm.
	check func(ctx context.Context, q *questions) error
	// setup says what to do about an answer, of a status of an error, that is about how the
	// server or this sink is set up. Such an answer refuses no change for good, unless
	// Options.Permanent says so. Empty: it is not known to be. Nil: of none is.
	setup func(status int, header http.Header, answer []byte) string
	// maxEvent is the default of Options.MaxEvent.
	maxEvent int
}

// wireOf returns how the options want changes to be sent.
func wireOf(o *Options) (*wire, error) {
	switch o.Format {
	case Structured, "":
		return structured(), nil
	case Binary:
		return binary(), nil
	case Batch:
		return batched(), nil
	case Elasticsearch:
		return elasticsearch(o.Index, o.Permanent), nil
	case Loki:
		return loki(), nil
	case VictoriaLogs:
		return victoriaLogs(), nil
	case Splunk:
		return splunk(), nil
	case ClickHouse:
		return clickHouse(o.Table)
	case Slack:
		return slack(), nil
	case Template:
		return templated(o)
	}
	return nil, errUnknownFormat(o.Format)
}
