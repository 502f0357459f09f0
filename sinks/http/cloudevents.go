package httpsink

import (
	"net/http"
	"unicode/utf8"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// The three modes are those of the HTTP protocol binding of CloudEvents 1.0.2:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md

func structured() *wire {
	return &wire{single: true, contentType: "application/cloudevents+json; charset=utf-8", append: appendEvent, head: headOfEvent, tail: "}"}
}

func batched() *wire {
	return &wire{
		contentType: "application/cloudevents-batch+json; charset=utf-8",
		open:        "[", between: ",", end: "]", append: appendEvent, head: headOfEvent, tail: "}",
	}
}

func appendEvent(dst []byte, c *pipeline.Change) ([]byte, error) {
	return c.AppendCloudEvent(dst), nil
}

func headOfEvent(dst []byte, c *pipeline.Change) []byte { return c.AppendCloudEventHead(dst) }

// binary sends the object as the body, and the attributes as headers.
func binary() *wire {
	return &wire{
		single: true,
		append: func(dst []byte, c *pipeline.Change) ([]byte, error) { return append(dst, c.Object...), nil },
		header: attributeHeaders,
	}
}

// attributeHeaders sets a header for each attribute.
func attributeHeaders(h http.Header, c *pipeline.Change) {
	if c.Object != nil {
		h["Content-Type"] = jsonContent
	}
	values := make([]string, 0, 16) // one allocation for all
	for name, value := range c.Attributes() {
		values = append(values, encodeHeader(value))
		h[headerName(name)] = values[len(values)-1 : len(values) : len(values)]
	}
}

var jsonContent = []string{"application/json"}

// headerNames are those of the attributes that Fairlead's events have.
var headerNames = map[string]string{
	"specversion": "Ce-Specversion", "type": "Ce-Type", "source": "Ce-Source", "subject": "Ce-Subject", "id": "Ce-Id", "time": "Ce-Time",
	"cluster": "Ce-Cluster", "clusteruid": "Ce-Clusteruid", "apiversion": "Ce-Apiversion", "kind": "Ce-Kind", "namespace": "Ce-Namespace",
	"name": "Ce-Name", "resourceversion": "Ce-Resourceversion", "term": "Ce-Term", "sequence": "Ce-Sequence",
	"snapshot": "Ce-Snapshot", "tombstone": "Ce-Tombstone", "traceparent": "Ce-Traceparent",
}

func headerName(attribute string) string {
	if name, ok := headerNames[attribute]; ok {
		return name
	}
	return http.CanonicalHeaderKey("ce-" + attribute)
}

const hexUpper = "0123456789ABCDEF"

// plain reports whether a byte stands in the value of a header as it is: section
// 3.1.3.2 of the binding has all others percent-encoded.
func plain(b byte) bool { return b > ' ' && b < 0x7f && b != '"' && b != '%' }

// encodeHeader returns the value of an attribute as that of a header. What is not
// UTF-8 becomes U+FFFD, as in JSON.
func encodeHeader(value string) string {
	n := 0
	for i := range len(value) {
		if plain(value[i]) {
			n++
		}
	}
	if n == len(value) {
		return value
	}
	out := make([]byte, 0, len(value)+2*(len(value)-n))
	var buf [utf8.UTFMax]byte
	for _, r := range value { // a byte that is not UTF-8 is U+FFFD
		if r < utf8.RuneSelf && plain(byte(r)) {
			out = append(out, byte(r))
			continue
		}
		for _, b := range buf[:utf8.EncodeRune(buf[:], r)] {
			out = append(out, '%', hexUpper[b>>4], hexUpper[b&15])
		}
	}
	return string(out)
}
