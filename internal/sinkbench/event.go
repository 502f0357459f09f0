package sinkbench

import (
	"encoding/json"
	"time"
)

// event is a CloudEvent as sinks write it, without what it has of traces and tombstones.
type event struct {
	SpecVersion     string          `json:"specversion"`
	Type            string          `json:"type"`
	Source          string          `json:"source"`
	Subject         string          `json:"subject"`
	ID              string          `json:"id"`
	Time            time.Time       `json:"time"`
	DataContentType string          `json:"datacontenttype"`
	Cluster         string          `json:"cluster"`
	ClusterUID      string          `json:"clusteruid,omitempty"`
	APIVersion      string          `json:"apiversion"`
	Kind            string          `json:"kind"`
	Namespace       string          `json:"namespace,omitempty"`
	Name            string          `json:"name"`
	ResourceVersion string          `json:"resourceversion"`
	Term            string          `json:"term,omitempty"`
	Sequence        string          `json:"sequence,omitempty"`
	Snapshot        bool            `json:"snapshot,omitempty"`
	Data            json.RawMessage `json:"data"`
}

// Event returns an event that a sink has written as what encoding/json makes the same bytes
// of: what a program has and encodes that does without a sink.
func Event(text []byte) (any, error) {
	var e event
	err := json.Unmarshal(text, &e)
	return &e, err
}
