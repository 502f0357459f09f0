package kafka

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// records are those of one batch. They refer to text, which grows with them and is used
// again for the next batch.
type records struct {
	all  []kgo.Record
	of   []int // by record: the index of its change
	text []byte
	// headers is what the records' headers are cut from.
	headers []kgo.RecordHeader
}

// Values of the header content-type, which nobody changes.
var (
	jsonEvent  = []byte("application/cloudevents+json; charset=UTF-8")
	jsonObject = []byte("application/json")
)

// encoder makes records of changes.
type encoder struct {
	template   template
	binary     bool
	tombstones string
	topics     map[[2]string]string // by cluster and resource
}

// topic returns the name of the topic of a change.
func (e *encoder) topic(k pipeline.Key) string {
	if e.template.isFixed() {
		return e.template[0].text
	}
	id := [2]string{k.Cluster, k.Resource}
	name, known := e.topics[id]
	if !known {
		name = e.template.topic(k)
		e.topics[[2]string{strings.Clone(k.Cluster), strings.Clone(k.Resource)}] = name
	}
	return name
}

// encode makes the records of a batch, in its order.
func (e *encoder) encode(r *records, batch []*pipeline.Change) {
	r.all, r.of, r.text, r.headers = r.all[:0], r.of[:0], r.text[:0], r.headers[:0]
	for i, c := range batch {
		topic := e.topic(c.Key)
		key := r.cut(func(dst []byte) []byte { return appendKey(dst, c.Key) })
		deleted := c.Op == pipeline.Deleted
		switch {
		case deleted && e.tombstones == Only:
			r.add(i, kgo.Record{Topic: topic, Key: key, Headers: attributes(c, nil)})
			continue
		case e.binary:
			r.add(i, kgo.Record{Topic: topic, Key: key, Value: r.object(c), Headers: attributes(c, jsonObject)})
		default:
			r.add(i, kgo.Record{Topic: topic, Key: key, Value: r.cut(c.AppendCloudEvent), Headers: r.order(c, jsonEvent)})
		}
		if deleted && e.tombstones == Both {
			r.add(i, kgo.Record{Topic: topic, Key: key, Headers: r.order(c, nil)})
		}
	}
}

func (r *records) add(change int, record kgo.Record) {
	r.all, r.of = append(r.all, record), append(r.of, change)
}

// cut returns what is appended to the records' text. It is not nil, also if it is empty.
func (r *records) cut(appended func([]byte) []byte) []byte {
	begin := len(r.text)
	r.text = appended(r.text)
	return r.text[begin:len(r.text):len(r.text)]
}

// object returns the value in the binary binding. A deletion that has no object has an
// empty one: a record without a value would be a tombstone, and compaction would drop
// the event.
func (r *records) object(c *pipeline.Change) []byte {
	return r.cut(func(dst []byte) []byte {
		if c.Object == nil {
			return append(dst, "{}"...)
		}
		return append(dst, c.Object...)
	})
}

// order returns headers with what tells which of two records of a key is right.
func (r *records) order(c *pipeline.Change, contentType []byte) []kgo.RecordHeader {
	begin := len(r.headers)
	if contentType != nil {
		r.headers = append(r.headers, kgo.RecordHeader{Key: "content-type", Value: contentType})
	}
	if c.Sequence != 0 {
		term, sequence := r.number(c.Origin.Term), r.number(c.Sequence)
		r.headers = append(r.headers, kgo.RecordHeader{Key: "ce_term", Value: term}, kgo.RecordHeader{Key: "ce_sequence", Value: sequence})
	}
	return r.headers[begin:len(r.headers):len(r.headers)]
}

// number returns 20 digits, as they stand in events.
func (r *records) number(n uint64) []byte {
	begin := len(r.text)
	r.text = append(r.text, "00000000000000000000"...)
	digits := r.text[begin:len(r.text):len(r.text)]
	for i := len(digits) - 1; n > 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	return digits
}

// attributes returns headers with all of an event's attributes.
func attributes(c *pipeline.Change, contentType []byte) []kgo.RecordHeader {
	headers := make([]kgo.RecordHeader, 0, 20)
	if contentType != nil {
		headers = append(headers, kgo.RecordHeader{Key: "content-type", Value: contentType})
	}
	for name, value := range c.Attributes() {
		headers = append(headers, kgo.RecordHeader{Key: "ce_" + name, Value: []byte(value)})
	}
	return headers
}

// appendKey appends cluster/resource/namespace/name, the namespace empty if there is
// none. Slashes and percent signs in a part are percent-encoded, so that two objects
// never have one key.
func appendKey(dst []byte, k pipeline.Key) []byte {
	for i, part := range [...]string{k.Cluster, k.Resource, k.Namespace, k.Name} {
		if i > 0 {
			dst = append(dst, '/')
		}
		for j := range len(part) {
			switch b := part[j]; b {
			case '/':
				dst = append(dst, "%2F"...)
			case '%':
				dst = append(dst, "%25"...)
			default:
				dst = append(dst, b)
			}
		}
	}
	return dst
}
