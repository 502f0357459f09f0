package httpsink_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

const (
	benchConnections = 4
	benchBatch       = 256
)

// fleet are changes of about the size of a Pod.
func fleet() []*pipeline.Change {
	batch := batchOf(benchBatch)
	for _, c := range batch {
		c.Object = fmt.Appendf(nil, `{"kind":"Pod","metadata":{"name":%q},"spec":{"padding":%q}}`, c.Key.Name, bytes.Repeat([]byte("x"), 2400))
	}
	return batch
}

// cpu is the processor time of this process, in which client and server run.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure runs one batch after the other.
func measure(b *testing.B, batch func()) {
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		batch()
	}
	changes := float64(b.N * benchBatch)
	b.ReportMetric(changes/b.Elapsed().Seconds(), "changes/s")
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/changes, "cpu-ns/change")
}

// BenchmarkModes compares the sink with net/http that sends the same bytes, encoded
// before, to the same server with as many connections.
func BenchmarkModes(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	b.Cleanup(server.Close)
	for _, mode := range modes {
		b.Run("mode="+string(mode)+"/impl=fairlead", func(b *testing.B) {
			batch := fleet()
			sink := open(b, httpsink.Options{URL: server.URL, Format: mode, Connections: benchConnections})
			measure(b, func() { write(b, sink, batch...) })
		})
		b.Run("mode="+string(mode)+"/impl=nethttp", func(b *testing.B) {
			requests := record(b, mode)
			transport := &http.Transport{MaxIdleConnsPerHost: benchConnections}
			client := &http.Client{Transport: transport}
			defer transport.CloseIdleConnections()
			measure(b, func() {
				next := make(chan *recorded, len(requests))
				for _, r := range requests {
					next <- r
				}
				close(next)
				var workers sync.WaitGroup
				for range min(benchConnections, len(requests)) {
					workers.Go(func() {
						for r := range next {
							request, err := http.NewRequest(http.MethodPost, server.URL, bytes.NewReader(r.body))
							if err != nil {
								b.Error(err)
								return
							}
							request.Header = r.header
							response, err := client.Do(request)
							if err != nil {
								b.Error(err)
								return
							}
							_, _ = io.Copy(io.Discard, response.Body)
							_ = response.Body.Close()
						}
					})
				}
				workers.Wait()
			})
		})
	}
}

// recorded is a request as the sink has sent it.
type recorded struct {
	header http.Header
	body   []byte
}

// record returns what the sink sends for a batch.
func record(b *testing.B, mode httpsink.Format) (all []*recorded) {
	b.Helper()
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		header := r.Header.Clone()
		header.Del("Content-Length")
		header.Del("Accept-Encoding")
		mu.Lock()
		defer mu.Unlock()
		all = append(all, &recorded{header, body})
	}))
	defer s.Close()
	sink, err := httpsink.New(httpsink.Options{URL: s.URL, Format: mode})
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	write(b, sink, fleet()...)
	return all
}
