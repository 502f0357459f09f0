package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// A program is gone if it answers for no cluster and not for itself either, for a while.
func TestSilence(t *testing.T) {
	no := &unreachableError{errors.New("no answer in time")}
	quiet := func(t *testing.T, s *silence, n int) {
		t.Helper()
		for range n {
			if !s.goOn(t.Context(), no) {
				t.Fatal("a program that may be there is taken for gone")
			}
		}
	}
	for name, test := range map[string]struct {
		again time.Duration // from when on the program answers for itself; less than 0: never
		gone  bool
	}{
		"many clusters hang":    {0, false},
		"it is away briefly":    {5 * time.Second, false},
		"it is away for longer": {time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				s := &silence{answers: func() error {
					if time.Since(began) < test.again {
						return no
					}
					return errors.New("it does not know that page")
				}}
				quiet(t, s, mostAtOnce-1)
				if !s.goOn(t.Context(), errors.New("refused")) {
					t.Fatal("a program that refuses is taken for gone")
				}
				quiet(t, s, mostAtOnce-1)
				if got := s.goOn(t.Context(), no); got == test.gone || s.gone != test.gone {
					t.Fatalf("it is asked on: %v", got)
				}
				if !test.gone {
					quiet(t, s, 5*mostAtOnce)
				}
			})
		})
	}
}

// Who ends a command is not told that the program is gone.
func TestSilenceOfACommandThatIsEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &silence{answers: func() error { return &unreachableError{ctx.Err()} }}
	for range mostAtOnce {
		s.goOn(ctx, &unreachableError{ctx.Err()})
	}
	if err := s.unasked(numbered(3), 1); err == nil || err.Error() != "the command was ended: 1 of 3 clusters were asked for, and those from edge-001 on were not" {
		t.Error(err)
	}
	if err := s.unasked(numbered(3), 3); err != nil {
		t.Error(err)
	}
}

// Clusters of one site that hang, which are next to each other in the order of names, keep nobody
// from asking for the others. Once the program is gone, the command ends, and says so.
func TestReplayOfManyClustersWithoutAnswers(t *testing.T) {
	const clusters, hang = 100, 40
	for _, gone := range []bool{false, true} {
		t.Run(fmt.Sprintf("gone %v", gone), func(t *testing.T) {
			t.Parallel() // it takes silentFor
			var asked atomic.Int64
			away := func() bool { return gone && asked.Load() > 0 }
			mux := http.NewServeMux()
			mux.HandleFunc("GET /clusters", func(w http.ResponseWriter, _ *http.Request) {
				var s api.Status
				for _, name := range numbered(clusters) {
					s.Clusters = append(s.Clusters, api.Cluster{Name: name})
				}
				_ = json.NewEncoder(w).Encode(s)
			})
			mux.HandleFunc("GET /limits", func(w http.ResponseWriter, _ *http.Request) {
				if away() {
					panic(http.ErrAbortHandler)
				}
				_ = json.NewEncoder(w).Encode(api.LimitsOrders{})
			})
			mux.HandleFunc("POST /replay", func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				name := r.URL.Query().Get("cluster")
				if away() || name < numbered(hang + 1)[hang] {
					panic(http.ErrAbortHandler)
				}
				_ = json.NewEncoder(w).Encode(api.Replay{Cluster: name, Streams: 1})
			})
			server := httptest.NewServer(mux)
			cmd := NewReplay()
			cmd.SetArgs([]string{"--route=r", "--output=json", "--admin=" + server.URL})
			cmd.SetOut(io.Discard)
			cmd.SetErr(io.Discard)
			cmd.SilenceUsage, cmd.SilenceErrors = true, true
			err := cmd.ExecuteContext(t.Context())
			server.Close()
			switch {
			case err == nil:
				t.Errorf("gone %v: the command does not fail", gone)
			case !gone && (asked.Load() != clusters || err.Error() != "40 of 100 clusters were not replayed, or not all of them"):
				t.Errorf("%d of %d clusters were asked for: %v", asked.Load(), clusters, err)
			case gone && (asked.Load() >= 2*mostAtOnce || !strings.Contains(err.Error(), "the program gives no answer any more: ")):
				t.Errorf("%d clusters were asked for: %v", asked.Load(), err)
			}
		})
	}
}
