package httpsink

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// noPath is how VictoriaLogs and vmauth begin what they say of a path that they do not have.
var noPath = [][]byte{[]byte("unsupported path requested: "), []byte("missing route for ")}

// ofVictoria tells that a path is none of VictoriaLogs or vmauth, which take several formats, and
// answer 400 where others answer 404. It does not look further into the text, which may repeat
// what was sent.
func ofVictoria(status int, _ http.Header, answer []byte) string {
	if status == http.StatusBadRequest && slices.ContainsFunc(noPath, func(begin []byte) bool { return bytes.HasPrefix(answer, begin) }) {
		return "check the path of the URL"
	}
	return ""
}

// loki sends the event as a line, in the stream of its cluster, resource and namespace.
func loki() *wire {
	return &wire{
		path: "/loki/api/v1/push", contentType: "application/json",
		open: `{"streams":[`, between: ",", end: "]}",
		append: func(dst []byte, c *pipeline.Change) ([]byte, error) {
			r := row(append(dst, `{"stream":{`...)).text("job", "fairlead").text("cluster", c.Key.Cluster).
				text("resource", c.Key.Resource).text("namespace", c.Key.Namespace)
			r = append(r, `},"values":[["`...)
			r = strconv.AppendInt(r, observed(c).UnixNano(), 10)
			r = append(r, `",`...)
			r = jsontext.AppendString(r, string(c.AppendCloudEvent(nil)))
			return append(r, "]]}"...), nil
		},
		// Loki looks who asks, and then finds that there is no stream: 204, or 422 since
		// https://github.com/grafana/loki/pull/13706.
		check: posting(`{"streams":[]}`),
		setup: ofVictoria,
	}
}

// victoriaLogs sends a line of fields. The object is one of them, as a text: as JSON it
// would be hundreds of fields, and VictoriaLogs takes 1,000 at most.
func victoriaLogs() *wire {
	return &wire{
		path: "/insert/jsonline", contentType: "application/stream+json",
		query: url.Values{"_stream_fields": {"cluster,resource,namespace"}, "_time_field": {"_time"}, "_msg_field": {"_msg"}},
		append: func(dst []byte, c *pipeline.Change) ([]byte, error) {
			r := row(append(dst, '{')).time("_time", observed(c)).text("_msg", summary(c)).members(c)
			if c.Object != nil {
				r = jsontext.AppendString(r.name("object"), string(c.Object))
			}
			return append(r, "}\n"...), nil
		},
		// Longer lines are left out, and the answer does not tell:
		// -insert.maxLineSizeBytes of VictoriaLogs.
		maxEvent: 256<<10 - 1,
		// No line is no entry.
		check: posting(""),
		setup: ofVictoria,
	}
}

// splunk sends events one behind the other, without anything between them.
func splunk() *wire {
	return &wire{
		path: "/services/collector/event", contentType: "application/json", authorization: "Splunk",
		append: func(dst []byte, c *pipeline.Change) ([]byte, error) {
			return append(c.AppendCloudEvent(beforeEvent(dst, c)), '}'), nil
		},
		head: func(dst []byte, c *pipeline.Change) []byte { return c.AppendCloudEventHead(beforeEvent(dst, c)) },
		tail: "}}",
		// Splunk looks at the token, and then finds that there is no data: code 5.
		check: posting(""),
		setup: ofSplunk,
	}
}

// ofSplunk reads the code of the collector's answers:
// https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/troubleshoot-http-event-collector
func ofSplunk(status int, header http.Header, answer []byte) string {
	var a struct{ Code int }
	if json.Unmarshal(answer, &a) != nil {
		return ofVictoria(status, header, answer)
	}
	switch a.Code {
	case 1:
		return "the token is disabled: enable it in Splunk"
	case 2, 3:
		return "check token-file, which holds the token of the collector"
	case 4:
		return "Splunk does not know the token: check token-file"
	case 7:
		return "the token may not write to its index: have its allowed indexes hold its default one"
	case 10, 11:
		return "turn indexer acknowledgment of the token off: it asks for a channel, which is not sent"
	case 16:
		return "give token-file, or have Splunk take the token in the query (allowQueryStringAuth)"
	}
	return ""
}

// beforeEvent appends what Splunk has before the event.
func beforeEvent(dst []byte, c *pipeline.Change) row {
	r := row(append(dst, '{'))
	r = append(r.name("time"), strconv.FormatFloat(float64(observed(c).UnixMicro())/1e6, 'f', 6, 64)...)
	return r.text("host", c.Key.Cluster).text("source", "fairlead").text("sourcetype", "_json").name("event")
}

// observed is when a change was observed, and now for one that does not know it.
func observed(c *pipeline.Change) time.Time {
	if c.Observed.IsZero() {
		return time.Now()
	}
	return c.Observed
}
