package httpsink_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-dev/fairlead/internal/sinkbench"
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

// BenchmarkSink compares the sink with net/http that sends the same bytes, encoded before,
// to the same server with as many connections. The server is in the same process. With
// "batch-encode" what is compared encodes the batch as well, by encoding/json.
func BenchmarkSink(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	b.Cleanup(server.Close)
	compare := func(what string, mode httpsink.Format, encodes bool) {
		b.Run("sink=http/what="+what+"/impl=fairlead", func(b *testing.B) {
			batch := fleet()
			sink := open(b, httpsink.Options{URL: server.URL, Format: mode, Connections: benchConnections})
			requests, events := record(b, mode), eventsOf(b, batch)
			transport := &http.Transport{MaxIdleConnsPerHost: benchConnections}
			b.Cleanup(transport.CloseIdleConnections)
			client := &http.Client{Transport: transport}
			sinkbench.Compare(b, benchBatch, nil,
				func(int) error { return sink.Write(b.Context(), batch) },
				func(int) error {
					if encodes {
						var err error
						if requests[0].body, err = json.Marshal(events); err != nil {
							return err
						}
					}
					return send(client, server.URL, requests)
				})
		})
	}
	for _, mode := range modes {
		compare(string(mode), mode, false)
	}
	compare("batch-encode", httpsink.Batch, true)
}

// eventsOf returns the events of a batch, for encoding/json.
func eventsOf(b *testing.B, batch []*pipeline.Change) []any {
	b.Helper()
	events := make([]any, len(batch))
	for i, c := range batch {
		var err error
		if events[i], err = sinkbench.Event(c.AppendCloudEvent(nil)); err != nil {
			b.Fatal(err)
		}
	}
	return events
}

// send sends requests over as many connections as the sink has.
func send(client *http.Client, url string, requests []*recorded) error {
	next := make(chan *recorded, len(requests))
	for _, r := range requests {
		next <- r
	}
	close(next)
	var workers errgroup.Group
	for range min(benchConnections, len(requests)) {
		workers.Go(func() error {
			for r := range next {
				request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(r.body))
				if err != nil {
					return err
				}
				request.Header = r.header
				response, err := client.Do(request)
				if err != nil {
					return err
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
			return nil
		})
	}
	return workers.Wait()
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
