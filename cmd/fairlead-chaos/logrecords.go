package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
)

// collector is an OpenTelemetry Collector that writes what it gets to a file. What it has
// answered to is in its memory for a moment, as its documentation says: so it is killed
// when all that is in the file.
type collector struct {
	*testsinks.Collector
	d *destination
}

// Kill ends it once it has written everything, and no more arrives.
func (c *collector) Kill(t testing.TB) {
	c.d.line.Cut()
	c.Lines(t)
	c.Collector.Kill(t)
}

// Start has it back.
func (c *collector) Start(t testing.TB) {
	c.Collector.Start(t)
	if err := c.d.line.Open(c.d.listens); err != nil {
		t.Fatal(err)
	}
}

func startCollector(t testing.TB, d *destination) {
	t.Helper()
	c := testsinks.StartOtelcol(t, nil)
	d.server = &collector{c, d}
	_, d.addr, _ = strings.Cut(c.URL, "://")
	d.sink = "otlp:http://" + d.listens + "?timeout=5s&name=" + theDestination
	d.events = func(ctx context.Context) (events []replay.Event, err error) {
		var lines []string
		if err := d.rig.Do(ctx, func(t testing.TB) { lines = c.Lines(t) }); err != nil {
			return nil, err
		}
		for _, line := range lines {
			more, err := logRecords([]byte(line))
			if err != nil {
				return nil, err
			}
			events = append(events, more...)
		}
		// Requests overtake each other, though never two with one object.
		slices.SortStableFunc(events, byTerm)
		return events, nil
	}
}

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
