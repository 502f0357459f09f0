package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/fairlead-dev/fairlead/cmd/internal/page"
)

// metricsServer serves /metrics.
func (p *program) metricsServer(l net.Listener) *manager.Server {
	mux := http.NewServeMux()
	mux.Handle("/metrics", p.metricsPage())
	return newServer("metrics", mux, l, time.Second)
}

// metricsPage answers with all metrics.
func (p *program) metricsPage() http.Handler {
	return bounded(mostRequests, metricsHandler(&clusterBound{from: metrics.Registry, most: p.settings.MetricsMaxClusters}))
}

// metricsHandler answers as text, and in protobuf, which has native histograms, to who asks
// for it.
func metricsHandler(from prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(from, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
}

// healthServer serves /healthz, /readyz, /version, /clusters, /explain and the status page.
func (p *program) healthServer(l net.Listener) *manager.Server {
	return newServer("health", p.pages(), l, time.Second)
}

// pages are what can be read of the program, and change nothing.
func (p *program) pages() *http.ServeMux {
	mux := p.readable()
	if p.page != nil {
		addStatusPage(mux, p.page.Handler())
	}
	return mux
}

// actingPages are the same with a status page that has buttons, for the admin address.
func (p *program) actingPages(order page.Order) *http.ServeMux {
	mux := p.readable()
	if p.page != nil {
		acting := p.page.Acting(order)
		addStatusPage(mux, acting)
		mux.Handle("POST /status/", acting)
	}
	return mux
}

// addStatusPage adds what can be read of the status page.
func addStatusPage(mux *http.ServeMux, status http.Handler) {
	for _, path := range []string{"/{$}", "/status", "/status/"} {
		mux.Handle("GET "+path, notForOtherSites(status))
	}
}

// readable is what can be read besides the status page.
func (p *program) readable() *http.ServeMux {
	live := checks{"ping": healthz.Ping}
	ready := checks{"started": p.checkStarted, "ledger": p.checkLedger}
	mux := http.NewServeMux()
	for path, h := range map[string]http.Handler{"/healthz": live, "/readyz": p.orFollowing(ready)} {
		mux.Handle(path, http.StripPrefix(path, h))
		mux.Handle(path+"/", http.StripPrefix(path, h))
	}
	mux.HandleFunc("GET /version", p.serveVersion)
	mux.Handle("GET /clusters", notForOtherSites(bounded(mostRequests, http.HandlerFunc(p.serveClusters))))
	mux.Handle("GET /explain", notForOtherSites(p.serveExplain()))
	return mux
}

// notForOtherSites refuses what a page of another site has a browser ask for. It could not
// read the answer, but making it takes work, of members too, and streams are few. Links to
// pages may be followed, and programs that are no browsers ask as they like.
func notForOtherSites(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		opened := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
		switch site := r.Header.Get("Sec-Fetch-Site"); site {
		case "", "none", "same-origin":
		default:
			if !opened {
				w.Header().Set("X-Content-Type-Options", "nosniff")
				http.Error(w, fmt.Sprintf("requests from pages of other sites are refused, this one with Sec-Fetch-Site %q", site), http.StatusForbidden)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

// orFollowing answers for a follower, which is ready to lead: it says whom it
// follows.
func (p *program) orFollowing(leader http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whom := p.following()
		if whom == "" {
			leader.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if _, err := fmt.Fprintln(w, whom); err != nil {
			p.log.V(1).Info("Could not answer /readyz", "reason", err.Error())
		}
	})
}

// checks serves what all of them say, or one of them under its name. Other than
// controller-runtime's handler it says why one fails, as /clusters does at the
// same address, and logs nothing: a probe comes every few seconds.
type checks map[string]healthz.Checker

// ServeHTTP implements http.Handler.
func (c checks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	names := slices.Sorted(maps.Keys(c))
	if name := strings.Trim(r.URL.Path, "/"); name != "" {
		if c[name] == nil {
			http.NotFound(w, r)
			return
		}
		names = []string{name}
	}
	var b strings.Builder
	code := http.StatusOK
	for _, name := range names {
		if err := c[name](r); err != nil {
			code = http.StatusInternalServerError
			fmt.Fprintf(&b, "[-]%s failed: %v\n", name, err)
		} else {
			fmt.Fprintf(&b, "[+]%s ok\n", name)
		}
	}
	if !r.URL.Query().Has("verbose") && code == http.StatusOK {
		b.Reset()
		b.WriteString("ok")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, b.String()) // who asked may have gone
}

// isStarted reports whether the sources run, or have.
func (p *program) isStarted() bool {
	select {
	case <-p.started:
		return true
	default:
		return false
	}
}

// checkStarted fails until the sources run. Members that are down do not make
// the program unready: they degrade it, and /clusters tells how.
func (p *program) checkStarted(*http.Request) error {
	if p.isStarted() {
		return nil
	}
	if why := p.refused.Load(); why != nil {
		return fmt.Errorf("leads, and the ledger refuses it: %s", *why)
	}
	if what := p.waitsFor.Load(); what != nil {
		return fmt.Errorf("leads, and waits for the process that led before to let go of %s", *what)
	}
	return errors.New("the sources do not run yet")
}

// checkLedger fails while the ledger cannot be written and delivery pauses.
func (p *program) checkLedger(*http.Request) error {
	if p.current() == nil {
		return nil // checkStarted tells
	}
	if s, ok := p.ledger.Status(); ok && !s.Healthy {
		return errors.New(s.LastError)
	}
	return nil
}

func (p *program) serveClusters(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(p.status(time.Now())); err != nil {
		p.log.V(1).Info("Could not answer /clusters", "reason", err.Error())
	}
}
