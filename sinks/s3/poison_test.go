package s3_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testsinks"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// TestPoison: one change that is larger than the store takes is refused by itself, and the
// others of its segment are stored. The store is a real one. It takes 5 GiB, so what stands in
// front of it is what bounds a request of less, as a proxy at the edge of a network does.
func TestPoison(t *testing.T) {
	server := testsinks.StartVersityGW(t, nil)
	const most = 256 << 10
	front := httptest.NewServer(bounded(t, server.URL, most))
	t.Cleanup(front.Close)
	sinktest.RunPoison(t, func(t *testing.T) (sinktest.Stand, func(*pipeline.Change)) {
		s := bucket(t, server)
		o := options(s)
		o.Host = strings.TrimPrefix(front.URL, "http://")
		return sinktest.Stand{Sink: open(t, o), Events: func() []pipeline.Event { return readEvents(t, s) }}, func(c *pipeline.Change) {
			c.Object = fmt.Appendf(nil, `{"data":{"k":%q}}`, noise(4*most)) // half of it, compressed
		}
	})
}

// bounded passes on requests with up to so many bytes, and answers others with 413.
func bounded(t *testing.T, to string, most int64) http.Handler {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // which is signed
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > most {
			_, _ = io.Copy(io.Discard, r.Body) // A proxy reads on for a while, so that its answer arrives.
			http.Error(w, "<html>413 Request Entity Too Large</html>", http.StatusRequestEntityTooLarge)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

// noise returns so many hexadecimal digits, the same at each call.
func noise(n int) string {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // Any numbers do.
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%016x", random.Uint64())
	}
	return b.String()
}
