package pipeline

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
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
	Snapshot        bool            `json:"snapshot,omitempty"`
	Tombstone       bool            `json:"tombstone,omitempty"`
	Data            json.RawMessage `json:"data,omitempty"`
}

// ParseEvent reads one event, with or without its line end. It fails on
// anything that is not JSON or was not written by Fairlead; attributes that it
// does not know are ignored.
func ParseEvent(line []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return Event{}, fmt.Errorf("parse event: %w", err)
	}
	if e.SpecVersion != "1.0" {
		return Event{}, fmt.Errorf("parse event: specversion %q, want 1.0", e.SpecVersion)
	}
	if e.Op() == 0 {
		return Event{}, fmt.Errorf("parse event: type %q is not one of Fairlead's", e.Type)
	}
	if strings.Count(e.ID, "/") < 4 {
		return Event{}, fmt.Errorf("parse event: id %q is not group/version/resource/uid/version", e.ID)
	}
	return e, nil
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

// Key returns the identity of the event's object.
func (e *Event) Key() Key {
	part := strings.SplitN(e.ID, "/", 5)
	if len(part) < 5 {
		return Key{Cluster: e.Cluster, Namespace: e.Namespace, Name: e.Name}
	}
	resource := part[2]
	if part[0] != "" {
		resource += "." + part[0]
	}
	return Key{Cluster: e.Cluster, Resource: resource, Namespace: e.Namespace, Name: e.Name}
}

// UID returns the UID of the event's object.
func (e *Event) UID() string {
	if part := strings.SplitN(e.ID, "/", 5); len(part) == 5 {
		return part[3]
	}
	return ""
}
