package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

func TestDestinationPlan(t *testing.T) {
	const changes = 700
	of := append([]kind{"one-more"}, lineKinds...)
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
	for _, k := range d.kinds() {
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
						return err == nil && len(events) == arrived+1
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
	f, err := d.check(t.Context(), held, []string{"m"})
	if err != nil || !f.Equal() || len(f.OutOfOrder) > 0 || !f.ByID.Equal() || f.Events < arrived {
		t.Errorf("%+v, %v; want %d events at least", f, err, arrived)
	}
	if f, err = d.check(t.Context(), nil, []string{"m"}); err != nil || len(f.Ghosts) != 1 {
		t.Errorf("%+v, %v: want a ghost", f, err)
	}
	if code, err := post(t.Context(), d.listens, "{}"); code != http.StatusBadRequest {
		t.Errorf("no event: %d, %v", code, err)
	}
	if _, err := d.check(t.Context(), held, []string{"m"}); err == nil || !strings.Contains(err.Error(), "something else than an event") {
		t.Errorf("after what is no event: %v", err)
	}
}
