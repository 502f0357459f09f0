package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/batch"
)

// TestAStoreThatIsTooSlowForAFullSegment: what a store, or the network before it, cannot take
// in time is written in smaller segments, though a full one is what is wanted. Else it would be
// written for ever.
func TestAStoreThatIsTooSlowForAFullSegment(t *testing.T) {
	const all, most = 100, 16 << 10
	var mu sync.Mutex
	var failed, largest int
	segments := map[string]int{} // lines
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if len(body) > most {
			failed++
			w.WriteHeader(http.StatusRequestTimeout)
			_, _ = io.WriteString(w, "<Error><Code>RequestTimeout</Code></Error>")
			return
		}
		segments[r.URL.Path], largest = strings.Count(string(body), "\n"), max(largest, len(body))
		w.Header().Set("Etag", `"1"`)
	}))
	defer server.Close()
	keys := filepath.Join(t.TempDir(), "keys")
	writeFile(t, keys, "[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
	// With an age the last ones would wait for more.
	spec, err := new(Options).sinkKinds().Parse(fmt.Sprintf("s3://%s/bucket?tls=false&compression=none&credentials=file&credentials-file=%s&age=0s&batch=%d",
		strings.TrimPrefix(server.URL, "http://"), keys, all))
	if err != nil {
		t.Fatal(err)
	}
	sink, err := spec.Open(t.Context(), sinks.Env{Log: logr.Discard(), Registerer: prometheus.NewRegistry(), UserAgent: "fairlead/test"})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.(io.Closer).Close()
	b := batch.New("s3", sink, batch.Options{
		MinBatch: spec.MinBatch, MaxBatch: spec.MaxBatch, MaxBytes: spec.MaxBytes, Linger: spec.Linger,
		ReconnectMin: time.Millisecond, ReconnectMax: time.Millisecond,
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	if err := b.Deliver(ctx, func(i int, refused error) {
		if refused != nil {
			t.Errorf("change %d is refused: %v", i, refused)
		}
	}, samplePods(all)...); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	lines := 0
	for _, n := range segments {
		lines += n
	}
	if lines != all || failed == 0 || largest < most/4 {
		t.Errorf("%d events in %d segments of up to %d bytes, %d have failed; want %d", lines, len(segments), largest, failed, all)
	}
}
