package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// metricsServer serves /metrics.
func metricsServer(l net.Listener) *manager.Server {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}))
	return newServer("metrics", mux, l)
}

func newServer(name string, h http.Handler, l net.Listener) *manager.Server {
	return &manager.Server{
		Name:            name,
		Server:          &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second},
		Listener:        l,
		ShutdownTimeout: new(time.Second),
	}
}

// healthServer serves /healthz, /readyz and /clusters.
func (p *program) healthServer(l net.Listener) *manager.Server {
	live := &healthz.Handler{Checks: map[string]healthz.Checker{"ping": healthz.Ping}}
	ready := &healthz.Handler{Checks: map[string]healthz.Checker{"started": p.checkStarted, "ledger": p.checkLedger}}
	mux := http.NewServeMux()
	for path, h := range map[string]http.Handler{"/healthz": live, "/readyz": p.orFollowing(ready)} {
		mux.Handle(path, http.StripPrefix(path, h))
		mux.Handle(path+"/", http.StripPrefix(path, h))
	}
	mux.HandleFunc("GET /clusters", p.serveClusters)
	return newServer("health", mux, l)
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

// checkStarted fails until the sources run. Members that are down do not make
// the program unready: they degrade it, and /clusters tells how.
func (p *program) checkStarted(*http.Request) error {
	select {
	case <-p.started:
		return nil
	default:
	}
	if what := p.waitsFor.Load(); what != nil {
		return fmt.Errorf("leads, and waits for the process that led before to let go of %s", *what)
	}
	return errors.New("the sources do not run yet")
}

// isOpen reports whether the parts that deliver are there.
func (p *program) isOpen() bool {
	select {
	case <-p.opened:
		return true
	default:
		return false
	}
}

// checkLedger fails while the ledger cannot be written and delivery pauses.
func (p *program) checkLedger(*http.Request) error {
	if !p.isOpen() {
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
