package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/testprogram"
	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
)

func TestDestinationPlan(t *testing.T) {
	const changes = 700
	of := destinations["postgres"].kinds(seldomFrom)
	for seed := range uint64(200) {
		plan := newDestinationPlan(seed, changes, 30, of)
		if diff := cmp.Diff(plan, newDestinationPlan(seed, changes, 30, of)); diff != "" {
			t.Fatalf("seed %d gives two plans:\n%s", seed, diff)
		}
		had := map[kind]bool{}
		at := 0
		for _, f := range plan {
			if f.At < at || f.Until < f.At || f.Until >= changes || f.Target != theDestination {
				t.Errorf("seed %d: %s: begins before the one before it has ended, or ends too late", seed, f)
			}
			at, had[f.Kind] = f.Until, true
		}
		if len(had) != len(of) {
			t.Errorf("seed %d: not each kind: %v", seed, had)
		}
	}
}

// post sends a body, and returns the status; 0 is none.
func post(ctx context.Context, address, body string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/events", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, errors.Join(err, answer.Body.Close())
}

const anEvent = `{"specversion":"1.0","type":"dev.fairlead.resource.added.v1","source":"/clusters/m","subject":"/api/v1/namespaces/n/configmaps/a",` +
	`"id":"/v1/configmaps/u/7","datacontenttype":"application/json","cluster":"m","apiversion":"v1","kind":"ConfigMap","namespace":"n","name":"a",` +
	`"resourceversion":"7","term":"00000000000000000001","sequence":"00000000000000000010",` +
	`"data":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"n","name":"a","uid":"u","resourceVersion":"7"}}}`

// shortDestination are the options of a run that has the faults of a destination, each once.
// With all others beside them it takes minutes for all destinations.
func shortDestination(sink string, others bool) *options {
	o := short(11)
	o.sink, o.members = sink, 1
	if !others {
		o.changes, o.faults, o.duration, o.hostile = 200, 0, 6*time.Second, false
	} else if len(destinations[sink].seldom) > 0 {
		o.duration = seldomFrom
	}
	return o
}

// allDestinations says that the tests that take long run too: make test-sinks.
var allDestinations = os.Getenv(testsinks.RequireEnv) != ""

// requireDestination skips a test of a destination that needs a program that is not built
// here: it is for make test-sinks.
func requireDestination(t *testing.T, sink string) {
	t.Helper()
	if p := map[string]*testprogram.Program{"otlp": testsinks.Otelcol, "s3": testsinks.VersityGW}[sink]; p != nil {
		if _, err := p.Find(); err != nil {
			testserver.Missing(t, testsinks.RequireEnv, err)
		}
	}
}

// The other destinations than that of TestChaosShort take a run each.
func TestDestinations(t *testing.T) {
	t.Parallel()
	for _, sink := range destinationNames() {
		if sink == "postgres" {
			continue
		}
		t.Run(sink, func(t *testing.T) {
			t.Parallel()
			if sink == "nats" && !allDestinations {
				t.Skip("nats-cluster has its faults, and one more: make test-sinks")
			}
			requireDestination(t, sink)
			o := shortDestination(sink, allDestinations)
			r := storm(t, o)
			kinds := destinations[sink].kinds(o.duration)
			if d := r.Destination; d == nil || d.Events == 0 || r.Changes != o.changes || r.Faults < len(kinds) {
				t.Errorf("%+v: want all changes and faults, and what the destination holds", r)
			} else if slices.Contains(kinds, destinationFailsOver) != (d.Failovers > 0) {
				t.Errorf("%+v: it has failed over %d times, and its faults are %v", d, d.Failovers, kinds)
			}
		})
	}
}

const aLogRecord = `{"resourceLogs":[{"resource":{"attributes":[{"key":"k8s.cluster.name","value":{"stringValue":"m"}}]},"scopeLogs":[{"logRecords":[{"attributes":[` +
	`{"key":"cloudevents.event_type","value":{"stringValue":"dev.fairlead.resource.deleted.v1"}},{"key":"cloudevents.event_id","value":{"stringValue":"/v1/configmaps/u/7/deleted"}},` +
	`{"key":"fairlead.resource","value":{"stringValue":"configmaps"}},{"key":"k8s.namespace.name","value":{"stringValue":"n"}},{"key":"fairlead.name","value":{"stringValue":"a"}},` +
	`{"key":"fairlead.uid","value":{"stringValue":"u"}},{"key":"fairlead.resource_version","value":{"stringValue":"7"}},` +
	`{"key":"fairlead.term","value":{"intValue":"1"}},{"key":"fairlead.sequence","value":{"intValue":"10"}}]}]}]}]}`

func TestLogRecords(t *testing.T) {
	events, err := logRecords([]byte(aLogRecord))
	want := []replay.Event{{
		Object: replay.Object{Cluster: "m", Resource: "configmaps", Namespace: "n", Name: "a", UID: "u"},
		ID:     "/v1/configmaps/u/7/deleted", ResourceVersion: "7", Deleted: true, Term: "00000000000000000001", Sequence: "00000000000000000010",
	}}
	if diff := cmp.Diff(want, events); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, lacks := range []string{"k8s.cluster.name", "fairlead.name", "fairlead.term", "cloudevents.event_id"} {
		if _, err := logRecords([]byte(strings.ReplaceAll(aLogRecord, lacks, "x"))); err == nil {
			t.Errorf("no error without %s", lacks)
		}
	}
}

func TestSegments(t *testing.T) {
	folder := t.TempDir()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	later := strings.ReplaceAll(strings.ReplaceAll(anEvent, `"7"`, `"8"`), "u/7", "u/8")
	later = strings.ReplaceAll(later, "00000000000000000010", "00000000000000000020")
	for _, line := range []string{later, anEvent} {
		if _, err := w.Write([]byte(line + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"a.ndjson.zst": b.Bytes(), "notes": []byte("x")} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	events, err := readSegments(folder)
	if err != nil || len(events) != 2 || events[0].ResourceVersion != "7" || events[1].ResourceVersion != "8" {
		t.Errorf("%+v, %v", events, err)
	}
	if err := os.WriteFile(filepath.Join(folder, "b.ndjson.zst"), b.Bytes()[:b.Len()/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readSegments(folder); err == nil {
		t.Error("no error about half a segment")
	}
}

// The help names each fault of each destination.
func TestDestinationHelp(t *testing.T) {
	text := destinationHelp()
	for name, k := range destinations {
		_, line, _ := strings.Cut(text, "\n  "+name+" ")
		line, _, _ = strings.Cut(line, "\n")
		for _, fault := range slices.Concat(k.faults, k.seldom) {
			if !strings.Contains(line, strings.TrimPrefix(string(fault), "destination-")) {
				t.Errorf("the help does not name %s of %s: %q", fault, name, line)
			}
		}
	}
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-limit:
			t.Fatalf("not so within a minute: %s", what)
		}
	}
}

// Each fault does what it says, and what was accepted is read back.
func TestDestinationFaults(t *testing.T) {
	d, err := startDestination(t.Context(), "http", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}()
	held := map[replay.Object]string{{Cluster: "m", Resource: "configmaps", Namespace: "n", Name: "a", UID: "u"}: "7"}
	arrived := 0
	for _, k := range destinations["http"].kinds(seldomFrom) {
		if k == destinationFailsOver {
			continue // see TestRefusals
		}
		t.Run(string(k), func(t *testing.T) {
			s := d.stroke(k, rand.New(rand.NewPCG(1, 1)))
			if err := s.begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			switch k {
			case destinationHangs, destinationMute: // until it has ended
				sent := make(chan error, 1)
				go func() {
					_, err := post(ctx, d.listens, anEvent)
					sent <- err
				}()
				if k == destinationMute {
					until(t, "it arrives", func() bool {
						events, err := d.events(t.Context())
						return err == nil && len(events) > arrived // What hung before may be there too.
					})
					arrived++
				}
				cancel()
				if err := <-sent; err == nil {
					t.Error("answered")
				}
			case destinationSlow:
				if code, err := post(ctx, d.listens, anEvent); code != http.StatusAccepted {
					t.Errorf("%d, %v", code, err)
				}
				arrived++
			default:
				if code, err := post(ctx, d.listens, anEvent); code == http.StatusAccepted {
					t.Errorf("accepted, %v", err)
				}
			}
			if err := s.end(t.Context()); err != nil {
				t.Fatal(err)
			}
			http.DefaultClient.CloseIdleConnections()
			if code, err := post(t.Context(), d.listens, anEvent); code != http.StatusAccepted {
				t.Errorf("after it: %d, %v", code, err)
			}
			arrived++
		})
	}
	f, err := d.check(t.Context(), held, []string{"m"}, delivery{})
	if err != nil || !f.ByNumber.Equal() || len(f.ByNumber.OutOfOrder) > 0 || !f.ByID.Equal() || f.Events < arrived {
		t.Errorf("%+v, %v; want %d events at least", f, err, arrived)
	}
	if f, err = d.check(t.Context(), nil, []string{"m"}, delivery{}); err != nil || len(f.ByNumber.Ghosts) != 1 || len(f.ByID.Ghosts) != 1 {
		t.Errorf("%+v, %v: want a ghost", f, err)
	}
	if code, err := post(t.Context(), d.listens, "{}"); code != http.StatusBadRequest {
		t.Errorf("no event: %d, %v", code, err)
	}
	if _, err := d.check(t.Context(), held, []string{"m"}, delivery{}); err == nil || !strings.Contains(err.Error(), "something else than an event") {
		t.Errorf("after what is no event: %v", err)
	}
}
