package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

// attribute is one of OTLP, in JSON. A whole number is a string.
type attribute struct {
	Key   string `json:"key"`
	Value struct {
		String string `json:"stringValue"`
		Int    string `json:"intValue"`
	} `json:"value"`
}

// logRecords reads a request of OTLP in JSON.
func logRecords(line []byte) (events []replay.Event, err error) {
	var request struct {
		ResourceLogs []struct {
			Resource struct {
				Attributes []attribute `json:"attributes"`
			} `json:"resource"`
			ScopeLogs []struct {
				LogRecords []struct {
					Attributes []attribute `json:"attributes"`
				} `json:"logRecords"`
			} `json:"scopeLogs"`
		} `json:"resourceLogs"`
	}
	if err := json.Unmarshal(line, &request); err != nil {
		return nil, fmt.Errorf("read log records: %w", err)
	}
	for _, r := range request.ResourceLogs {
		for _, s := range r.ScopeLogs {
			for _, record := range s.LogRecords {
				e, err := eventOf(slices.Concat(r.Resource.Attributes, record.Attributes))
				if err != nil {
					return nil, err
				}
				events = append(events, e)
			}
		}
	}
	return events, nil
}

// eventOf returns the event that a record was made of.
func eventOf(attributes []attribute) (e replay.Event, err error) {
	of := map[string]string{}
	for _, a := range attributes {
		of[a.Key] = a.Value.String + a.Value.Int
	}
	for at, name := range map[*string]string{&e.Term: "fairlead.term", &e.Sequence: "fairlead.sequence"} {
		n, err := strconv.ParseUint(of[name], 10, 64)
		if err != nil {
			return e, fmt.Errorf("read a log record: %s: %w", name, err)
		}
		*at = fmt.Sprintf("%020d", n)
	}
	e.Object = replay.Object{
		Cluster: of["k8s.cluster.name"], Resource: of["fairlead.resource"], Namespace: of["k8s.namespace.name"],
		Name: of["fairlead.name"], UID: of["fairlead.uid"],
	}
	e.ID, e.ResourceVersion = of["cloudevents.event_id"], of["fairlead.resource_version"]
	e.Deleted = of["cloudevents.event_type"] == "dev.fairlead.resource.deleted.v1"
	if e.Cluster == "" || e.Name == "" || e.ID == "" {
		return e, fmt.Errorf("read a log record: it has no cluster, name or id: %v", of)
	}
	return e, nil
}
