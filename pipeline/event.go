package pipeline

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
)

// Event is what [Change.AppendCloudEvent] writes, read back: for consumers of
// the wire format that are written in Go, and for checks.
type Event struct {
	SpecVersion     string          `json:"specversion"`
	Type            string          `json:"type"`
	Source          string          `json:"source"`
	Subject         string          `json:"subject"`
	ID              string          `json:"id"`
	Time            time.Time       `json:"time,omitzero"`
	DataContentType string          `json:"datacontenttype,omitempty"`
	Cluster         string          `json:"cluster"`
	ClusterUID      string          `json:"clusteruid,omitempty"`
	APIVersion      string          `json:"apiversion"`
	Kind            string          `json:"kind,omitempty"`
	Namespace       string          `json:"namespace,omitempty"`
	Name            string          `json:"name"`
	ResourceVersion string          `json:"resourceversion,omitempty"`
	Term            Ordinal         `json:"term,omitzero"`
	Sequence        Ordinal         `json:"sequence,omitzero"`
	Snapshot        bool            `json:"snapshot,omitempty"`
	Tombstone       bool            `json:"tombstone,omitempty"`
	TraceParent     string          `json:"traceparent,omitempty"`
	Data            json.RawMessage `json:"data,omitempty"`
}

// Ordinal is a number that stands in events as a string of 20 digits, so that
// these are ordered as strings, too.
type Ordinal uint64

// MarshalText returns 20 digits.
func (o Ordinal) MarshalText() ([]byte, error) { return appendOrdinal(nil, uint64(o)), nil }

// UnmarshalText takes nothing but 20 digits.
func (o *Ordinal) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || len(text) != 20 || text[0] == '+' {
		return fmt.Errorf("%.40q is not a number of 20 digits", text)
	}
	*o = Ordinal(n)
	return nil
}

// ParseEvent reads one event, with or without its line end. It fails on
// anything that was not written by Fairlead: on what is not one JSON object in
// UTF-8, on attributes that stand there twice or are no attributes of
// CloudEvents, and where those that say what the event is about disagree: source
// with cluster; id, subject and apiversion with each other, with namespace, name
// and resourceversion. Attributes that it does not know are ignored. What data
// holds is not looked into.
func ParseEvent(line []byte) (Event, error) {
	var e Event
	if err := jsontext.Unmarshal(line, &e); err != nil {
		return Event{}, fmt.Errorf("parse event: %w", err)
	}
	if e.SpecVersion != "1.0" {
		return Event{}, fmt.Errorf("parse event: specversion %.40q, want 1.0", e.SpecVersion)
	}
	if e.Op() == 0 {
		return Event{}, fmt.Errorf("parse event: type %.80q is not one of Fairlead's", e.Type)
	}
	if err := e.agree(); err != nil {
		return Event{}, fmt.Errorf("parse event: %w", err)
	}
	return e, nil
}

// agree fails if the event is about several things.
func (e *Event) agree() error {
	id, ok := e.parts()
	if !ok {
		return fmt.Errorf("id %.400q is not group/version/resource/uid/version", e.ID)
	}
	if e.Cluster == "" || e.Name == "" {
		return fmt.Errorf("event %.400q has no cluster or no name", e.ID)
	}
	c := Change{
		Key:    e.Key(),
		Origin: &Origin{Resource: e.Resource()},
		Op:     e.Op(), UID: types.UID(e.UID()), ResourceVersion: e.ResourceVersion,
	}
	for _, attribute := range []struct{ name, is, want string }{
		{"source", e.Source, string(c.appendSource(nil))},
		{"subject", e.Subject, string(c.appendPath(nil))},
		{"apiversion", e.APIVersion, c.Origin.Resource.GroupVersion().String()},
	} {
		if attribute.is != attribute.want {
			return fmt.Errorf("of event %.400q %s is %.400q, but its other attributes say %.400q", e.ID, attribute.name, attribute.is, attribute.want)
		}
	}
	if _, ok := e.generation(id[4]); !ok {
		return fmt.Errorf("of event %.400q the end of the id is %.400q, which is not that of version %.400q, or not of type %.80q", e.ID, id[4], e.ResourceVersion, e.Type)
	}
	return nil
}

// generation reads the end of the id, if it is one of the event's type and version.
// Before there were generations it was the version as it is, or "deleted".
func (e *Event) generation(end string) (g uint32, ok bool) {
	state, before := escapePart(e.ResourceVersion), e.ResourceVersion
	if e.Op() == Deleted {
		if state != "" {
			state += "/"
		}
		state, before = state+"deleted", "deleted"
	}
	if end == before {
		return 0, true
	}
	end, ok = strings.CutPrefix(end, state)
	if !ok || end == "" {
		return 0, ok
	}
	digits, ok := strings.CutPrefix(end, "/g")
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), ok && err == nil && n > 0 && strconv.FormatUint(n, 10) == digits
}

// Generation returns what the event's id says of it, see [Change].
func (e *Event) Generation() uint32 {
	id, _ := e.parts()
	g, _ := e.generation(id[4])
	return g
}

// parts returns the five parts of the id: group, version, resource, UID as it
// is escaped there, and state.
func (e *Event) parts() (id [5]string, ok bool) {
	parts := strings.SplitN(e.ID, "/", len(id))
	if len(parts) < len(id) {
		return id, false
	}
	return [5]string(parts), true
}

// Op returns what the event's type says, 0 when it says nothing known.
func (e *Event) Op() Op {
	word, _ := strings.CutPrefix(e.Type, "dev.fairlead.resource.")
	switch word {
	case "added.v1":
		return Added
	case "updated.v1":
		return Updated
	case "deleted.v1":
		return Deleted
	}
	return 0
}

// Resource returns the resource of the event's object, as it was served.
func (e *Event) Resource() schema.GroupVersionResource {
	id, _ := e.parts()
	return schema.GroupVersionResource{Group: id[0], Version: id[1], Resource: id[2]}
}

// Key returns the identity of the event's object.
func (e *Event) Key() Key {
	return Key{Cluster: e.Cluster, Resource: e.Resource().GroupResource().String(), Namespace: e.Namespace, Name: e.Name}
}

// UID returns the UID of the event's object.
func (e *Event) UID() string {
	id, _ := e.parts()
	return unescapePart(id[3])
}
