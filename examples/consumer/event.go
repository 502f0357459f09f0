package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Event is one line, as far as this program needs it. Attributes that it does
// not know are ignored: new ones may come.
type Event struct {
	SpecVersion string `json:"specversion"`
	Type        string `json:"type"`
	Source      string `json:"source"` // /clusters/<name>
	ID          string `json:"id"`     // <group>/<version>/<resource>/<uid>/...
	Cluster     string `json:"cluster"`
	ClusterUID  string `json:"clusteruid"`
	Namespace   string `json:"namespace"`
	Name        string `json:"name"`
	// ResourceVersion may be compared for equality only.
	ResourceVersion string          `json:"resourceversion"`
	Snapshot        bool            `json:"snapshot"`
	Tombstone       bool            `json:"tombstone"`
	Data            json.RawMessage `json:"data"` // absent in a tombstone
}

// Parse reads one line.
func Parse(line []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return Event{}, fmt.Errorf("not an event: %w", err)
	}
	switch {
	case e.SpecVersion != "1.0" || e.Source == "" || e.ID == "" || e.Name == "":
		return Event{}, errors.New("not an event of Fairlead: no specversion 1.0, source, id or name")
	case strings.Count(e.ID, "/") < 4:
		return Event{}, fmt.Errorf("id %q does not name a resource and a UID", e.ID)
	}
	return e, nil
}

// Deleted reports whether the event says that the object is gone. Added and
// updated mean the same to whoever keeps a table: this is the object now.
func (e *Event) Deleted() bool { return e.Type == "dev.fairlead.resource.deleted.v1" }

// Key is what a row is found by.
type Key struct {
	Source    string // which cluster
	Resource  string // plural and group: "pods", "deployments.apps"
	Namespace string // empty for what has none
	Name      string
	UID       string // tells an object from another one that takes its name later; some APIs give none
}

// Key returns the key of the event's object. The version in the id is that of the
// API, which may change while the object stays.
func (e *Event) Key() Key {
	part := strings.SplitN(e.ID, "/", 5)
	resource := part[2]
	if part[0] != "" {
		resource += "." + part[0]
	}
	return Key{e.Source, resource, e.Namespace, e.Name, part[3]}
}
