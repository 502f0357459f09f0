package api

import (
	"encoding/json"
	"time"
)

// NoteHeader is the header of an answer's head that says something about what is asked for, for people.
const NoteHeader = "Fairlead-Note"

// Answer is a line of what GET /tail streams: what a sink has answered about one change, or,
// with Skipped alone, how many such lines were left out before the next one. Blank lines keep
// the connection alive.
type Answer struct {
	Skipped uint64 `json:"skipped,omitempty"`

	Route           string    `json:"route,omitempty"`
	ID              string    `json:"id,omitempty"` // of the event
	Op              string    `json:"op,omitempty"`
	Cluster         string    `json:"cluster,omitempty"`
	Resource        string    `json:"resource,omitempty"`
	Namespace       string    `json:"namespace,omitempty"`
	Name            string    `json:"name,omitempty"`
	UID             string    `json:"uid,omitempty"`
	ResourceVersion string    `json:"resourceVersion,omitempty"`
	Snapshot        bool      `json:"snapshot,omitempty"`
	Tombstone       bool      `json:"tombstone,omitempty"`
	At              time.Time `json:"at,omitzero"`
	LagSeconds      float64   `json:"lagSeconds,omitempty"`   // since it was read from the member
	Refused         string    `json:"refused,omitempty"`      // why it was not accepted; it is tried again
	DeadLettered    bool      `json:"deadLettered,omitempty"` // it was given up: the sink does not have it
	// Object is in the form in which it was delivered, if objects were asked for.
	Object json.RawMessage `json:"object,omitempty"`
}
