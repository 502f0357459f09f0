package sources

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// cable is the way to a server. While it was cut the server has had a change, of which it tells
// those who watch on.
type cable struct {
	*server

	mu      sync.Mutex
	cut     func(*http.Request) (*http.Response, error) // what comes of requests; nil: it is whole
	changed bool
	watches []*io.PipeWriter
}

func (c *cable) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	cut, changed := c.cut, c.changed
	c.mu.Unlock()
	if cut != nil {
		return cut(r)
	}
	answer, err := c.server.RoundTrip(r)
	if err != nil || r.URL.Query().Get("watch") == "" {
		return answer, err
	}
	body, w := io.Pipe()
	its := answer.Body
	answer.Body = body
	go func() {
		if changed {
			_, _ = fmt.Fprintf(w, `{"type":"MODIFIED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"of-%s","namespace":"ns","uid":"object-of-%[1]s","resourceVersion":"11"}}}`+"\n", c.uid)
		}
		_, err := io.Copy(w, its)
		_ = w.CloseWithError(err)
		_ = its.Close()
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watches = append(c.watches, w)
	return answer, nil
}

// breaks cuts the cable; the nil function mends it.
func (c *cable) breaks(cut func(*http.Request) (*http.Response, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.watches {
		_ = w.CloseWithError(io.ErrUnexpectedEOF)
	}
	c.cut, c.changed, c.watches = cut, true, nil
}

// TestFirstChangeAfterAnOutage: what has changed while members were cut off is with the sink 6 s
// after that at the latest, however long it was, with the defaults of the program.
func TestFirstChangeAfterAnOutage(t *testing.T) {
	const members, bound = 20, 6 * time.Second
	for name, cut := range map[string]func(*http.Request) (*http.Response, error){
		"refused":    func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED },
		"black hole": func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
	} {
		for _, lasts := range []time.Duration{20 * time.Second, 10 * time.Minute} {
			t.Run(fmt.Sprint(name, " for ", lasts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, err := ledger.Open(t.Context(), ledger.Options{})
					if err != nil {
						t.Fatal(err)
					}
					h := startWith(t, l, []string{"a"}, func(o *Options) {
						o.Config.Connection, o.Config.Stream = connection.Config{}, stream.Config{}
					}, "configmaps")
					var cables []*cable
					for i := range members {
						c := &cable{server: &server{uid: fmt.Sprint("u", i)}}
						m := c.member(fmt.Sprint("member-", i))
						m.REST.Transport = c
						cables = append(cables, c)
						h.sources.Set(m)
					}
					time.Sleep(2 * connection.DefaultReconnectMax)
					at := func() (versions []string) {
						h.queue.mu.Lock()
						defer h.queue.mu.Unlock()
						for i := range members {
							key := pipeline.Key{Cluster: fmt.Sprint("member-", i), Resource: "configmaps", Namespace: "ns", Name: fmt.Sprint("of-u", i)}
							versions = append(versions, h.queue.objects[key])
						}
						return versions
					}
					for _, c := range cables {
						c.breaks(cut)
					}
					time.Sleep(lasts)
					for i, version := range at() {
						if want := fmt.Sprintf("object-of-u%d@5", i); version != want {
							t.Fatalf("of member %d the sink has %q before its outage, want %q", i, version, want)
						}
					}
					for _, c := range cables {
						c.breaks(nil)
					}
					time.Sleep(bound)
					for i, version := range at() {
						if want := fmt.Sprintf("object-of-u%d@11", i); version != want {
							t.Errorf("of member %d the sink has %q %v after its outage, want %q", i, version, bound, want)
						}
					}
					h.stop()
				})
			})
		}
	}
}
